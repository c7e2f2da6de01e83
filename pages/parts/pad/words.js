// What the mask means in numbers: tiles, and words for those who cannot see it.

function createTiles(pad) {
  const {costs, surfaces} = pad.model.header;
  const names = ["Heads", "Neurons", ...costs.map((each) => each.name),
    ...surfaces.map((each) => each.title)];
  if (names.join() === pad.names?.join()) return;
  pad.names = names;
  pad.tiles = names.map((name) => {
    const [tile, title, value, below] = ["div", "dt", "dd", "small"].map((tag) =>
      document.createElement(tag));
    title.textContent = name;
    tile.append(title, value, below);
    return {tile, value, below};
  });
  pad.part("tiles").replaceChildren(...pad.tiles.map((each) => each.tile));
  pad.behind = 0;
  pad.part("surface").replaceChildren(...surfaces.map((each) => {
    const option = document.createElement("option");
    option.textContent = each.title;
    return option;
  }));
}

function fillTiles(pad, some) {
  readTiles(pad, some).forEach(([value, below], place) => {
    pad.tiles[place].value.textContent = value;
    pad.tiles[place].below.textContent = below;
  });
}

/** Return value and remark of every tile. */
function readTiles(pad, some) {
  const {heads, neurons, header} = pad.model;
  const counts = [heads, neurons].map((pool) => {
    let kept = 0;
    for (const flag of pool.kept) kept += flag;
    return [kept.toLocaleString("en"), `of ${pool.size.toLocaleString("en")} kept`];
  });
  const costs = header.costs.map((cost) =>
    [`${Math.round((100 * countCost(pad.model, cost)) / cost.whole)}%`, `of ${cost.words}`]);
  const quality = pad.surfaces.map((surface) => {
    const found = some && readSurface(surface, pad.lam, pad.sparsity);
    if (!found) return ["–", "not measured here"];
    return [found.value.toFixed(3), found.measured ? "measured" : "interpolated"];
  });
  return [...counts, ...costs, ...quality];
}

function describeSlider(pad) {
  const field = pad.part("field");
  field.setAttribute("aria-valuenow", pad.sparsity);
  field.setAttribute("aria-valuetext",
    `λ ${pad.lam.toFixed(2)}, sparsity ${pad.sparsity.toFixed(2)}`);
}

/** Say where the hand rests and what that means, for those who cannot see it. */
function describe(pad) {
  describeSlider(pad);
  const some = buildMask(pad.model, pad.lam, pad.sparsity);
  const words = readTiles(pad, some).map(([value, below], place) =>
    `${pad.names[place]} ${value} ${below}`);
  const text = [pad.part("field").getAttribute("aria-valuetext"), ...words].join("; ");
  pad.part("said").textContent = text;
  for (const [name, pool] of [["heads", pad.model.heads], ["neurons", pad.model.neurons]]) {
    const rows = Array.from({length: pool.layers}, (_, layer) =>
      pool.kept.subarray(layer * pool.width, (layer + 1) * pool.width)
        .reduce((sum, flag) => sum + flag, 0));
    pad.part(name).setAttribute("aria-label",
      `Map of the ${name}; kept from layer 1 upwards: ${rows.join(", ")} of ${pool.width} each.`);
  }
}
