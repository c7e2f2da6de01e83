// λ and sparsity under the finger: every frame decides the mask and draws it; the page reruns on
// release. Joined behind the other scripts, whose functions it calls.

const AHEAD = 0.05; // units that so much more sparsity would remove are lit

export default function ({data, parentElement, setStateValue}) {
  const root = parentElement.querySelector(".pad");
  root.pad ??= createPad(root);
  root.pad.receive(readPayload(data), setStateValue);
}

function createPad(root) {
  const part = (name) => root.querySelector(`.${name}`);
  const pad = {root, part, lam: 0, sparsity: 0, turn: 0, dragging: false, waiting: 0, frame: 0};
  pad.receive = (model, send) => receive(pad, model, send);
  followPointer(pad);
  followKeys(pad);
  followNumbers(pad);
  part("heads").addEventListener("click", (event) => chooseHead(pad, event));
  part("surface").addEventListener("change", (event) => {
    pad.behind = event.target.selectedIndex;
    drawMap(pad);
  });
  new ResizeObserver(() => pad.model && refresh(pad)).observe(root);
  return pad;
}

/** Take what the server sent; a place that is older than the hand's last one is passed over. */
function receive(pad, model, send) {
  const {lam, sparsity, turn, surfaces} = model.header;
  Object.assign(pad, {model, send, surfaces: surfaces.map((each) => createSurface(each.points))});
  if (turn >= pad.turn) {
    Object.assign(pad, {turn, sent: [lam, sparsity]});
    if (!pad.dragging && !pad.waiting) Object.assign(pad, {lam, sparsity});
  }
  pad.part("heads").classList.toggle("chooses", model.header.choosable);
  createTiles(pad);
  refresh(pad);
  describe(pad);
}

/** Measure the page, read the theme, draw everything. */
function refresh(pad) {
  pad.colours = readColours(pad.root);
  layOut(pad);
  drawMap(pad);
  draw(pad);
}

/** Decide the mask where the hand is, and draw it with what it costs and how good it is. */
function draw(pad) {
  const {model, lam, sparsity} = pad;
  pad.frame = 0;
  const start = performance.now();
  const some = buildMask(model, lam, sparsity);
  const further = Math.min(sparsity + AHEAD, 1);
  decide(model.heads, further, 1, model.heads.keptSoon);
  decide(model.neurons, model.header.neuron_sparsity ?? further, model.header.round_to,
    model.neurons.keptSoon);
  drawHeads(pad);
  drawNeurons(pad);
  drawPlace(pad);
  fillTiles(pad, some);
  pad.part("wrong").hidden = some;
  pad.took = performance.now() - start;
}
