// Moving over the pad: by mouse or finger, by keys, by numbers.

const STEPS = 100; // λ and sparsity move in hundredths
const COARSE = 10;
const PAUSE = 350; // milliseconds from the last key until the page reruns

/** Move to λ and a sparsity: within 0 and 1, in hundredths, and where there is a mask. */
function move(pad, lam, sparsity) {
  const [one, two] = [lam, sparsity].map((value) =>
    Math.round(Math.min(Math.max(value, 0), 1) * STEPS) / STEPS);
  if (one === pad.lam && two === pad.sparsity) return;
  pad.lam = one;
  pad.sparsity = buildMask(pad.model, one, two) ? two : highest(pad.model, one, two);
  if (!pad.frame) pad.frame = requestAnimationFrame(() => draw(pad));
}

/** Return the highest sparsity below this one at which there is a mask; it itself without any. */
function highest(model, lam, sparsity) {
  let [good, bad] = [-1, Math.round(sparsity * STEPS)];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (buildMask(model, lam, middle / STEPS)) good = middle;
    else bad = middle;
  }
  return good < 0 ? sparsity : good / STEPS;
}

/** Send λ and the sparsity to the server, which reruns the page. */
function release(pad) {
  clearTimeout(pad.waiting);
  pad.waiting = 0;
  describe(pad);
  if (pad.lam === pad.sent[0] && pad.sparsity === pad.sent[1]) return;
  pad.sent = [pad.lam, pad.sparsity];
  pad.turn += 1;
  pad.send("place", [pad.lam, pad.sparsity, pad.turn]);
}

function followPointer(pad) {
  const field = pad.part("field");
  const follow = (event) => {
    const box = field.getBoundingClientRect();
    move(pad, 1 - (event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width);
  };
  field.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    field.setPointerCapture(event.pointerId);
    pad.dragging = true;
    follow(event);
  });
  field.addEventListener("pointermove", (event) => pad.dragging && follow(event));
  for (const name of ["pointerup", "pointercancel"]) {
    field.addEventListener(name, () => {
      if (!pad.dragging) return;
      pad.dragging = false;
      release(pad);
    });
  }
}

function followKeys(pad) {
  const field = pad.part("field");
  field.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? COARSE : 1;
    const [up, right] = {
      ArrowUp: [far, 0], ArrowDown: [-far, 0], ArrowRight: [0, far], ArrowLeft: [0, -far],
      PageUp: [COARSE, 0], PageDown: [-COARSE, 0], Home: [0, -STEPS], End: [0, STEPS],
    }[event.key] ?? [0, 0];
    if ((!up && !right) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(pad, pad.lam + up / STEPS, pad.sparsity + right / STEPS);
    describeSlider(pad);
    clearTimeout(pad.waiting);
    pad.waiting = setTimeout(() => release(pad), PAUSE);
  });
  field.addEventListener("blur", () => pad.waiting && release(pad));
}

function followNumbers(pad) {
  for (const name of ["lam", "sparsity"]) {
    const box = pad.part(name);
    box.addEventListener("input", () => {
      if (!box.validity.valid || box.value === "") return;
      const wanted = {lam: pad.lam, sparsity: pad.sparsity, [name]: box.valueAsNumber};
      move(pad, wanted.lam, wanted.sparsity);
    });
    box.addEventListener("change", () => {
      box.value = pad[name].toFixed(2);
      release(pad);
    });
  }
}

/** Send the clicked head to the server, where the page asks for one. */
function chooseHead(pad, event) {
  const {heads, header} = pad.model;
  if (!header.choosable) return;
  const box = event.target.getBoundingClientRect();
  const [right, down] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  const layer = heads.layers - 1 - Math.min(Math.floor(down * heads.layers), heads.layers - 1);
  const head = Math.min(Math.floor(right * heads.width), heads.width - 1);
  pad.send("head", [layer, head, Date.now()]); // a second click on one head is news too
}
