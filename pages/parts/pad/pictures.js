// The pictures of a frame: heads, neurons, and what was measured behind the finger.

function drawPlace(pad) {
  const [right, up] = [`${100 * pad.sparsity}%`, `${100 * pad.lam}%`];
  Object.assign(pad.part("here").style, {left: right, bottom: up});
  pad.part("across").style.bottom = up;
  pad.part("down").style.left = right;
  for (const name of ["lam", "sparsity"]) {
    const box = pad.part(name);
    if (box !== pad.root.getRootNode().activeElement) box.value = pad[name].toFixed(2);
  }
}

function drawHeads(pad) {
  const {heads, header} = pad.model;
  const canvas = pad.part("heads");
  const context = canvas.getContext("2d");
  const [across, down] = [canvas.width / heads.width, canvas.height / heads.layers];
  const top = Math.max(...heads.worth) || 1;
  const gap = Math.max(1, Math.round(pad.ratio));
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = 1.5 * pad.ratio;
  for (let unit = 0; unit < heads.size; unit++) {
    const column = unit % heads.width;
    const row = heads.layers - 1 - (unit - column) / heads.width;
    const [left, upper] = [Math.round(column * across), Math.round(row * down)];
    const [width, height] = [Math.round((column + 1) * across) - left - gap,
      Math.round((row + 1) * down) - upper - gap];
    const kept = heads.kept[unit];
    context.fillStyle = pad.colours.words[
      !kept ? "removed" : heads.keptSoon[unit] ? shade(heads.worth[unit], top) : "soon"];
    context.fillRect(left, upper, width, height);
    if (kept) continue;
    const [x, y, arm] = [left + width / 2, upper + height / 2, Math.min(width, height) / 4];
    context.strokeStyle = pad.colours.words.cross;
    context.beginPath();
    context.moveTo(x - arm, y - arm);
    context.lineTo(x + arm, y + arm);
    context.moveTo(x - arm, y + arm);
    context.lineTo(x + arm, y - arm);
    context.stroke();
  }
  if (header.chosen) frameHead(pad, context, header.chosen, across, down);
}

function frameHead(pad, context, [layer, head], across, down) {
  const row = pad.model.heads.layers - 1 - layer;
  context.strokeStyle = pad.colours.words.text;
  context.lineWidth = 3 * pad.ratio;
  context.strokeRect(head * across + 1, row * down + 1, across - 3, down - 3);
}

function drawNeurons(pad) {
  const {neurons} = pad.model;
  const {pixels, places, image, context} = pad.picture;
  const {shades, removed, soon} = pad.colours;
  const {worth, kept, keptSoon, size} = neurons;
  let top = 0;
  for (let unit = 0; unit < size; unit++) if (worth[unit] > top) top = worth[unit];
  const factor = top ? 1 / top : 0;
  for (let unit = 0; unit < size; unit++) {
    pixels[places[unit]] = !kept[unit] ? removed
      : keptSoon[unit] ? shades[(255 * Math.sqrt(worth[unit] * factor)) | 0] : soon;
  }
  context.putImageData(image, 0, 0);
}

/** Return a brightness: the square root, because a few units are far above the rest. */
function shade(worth, top) {
  return (255 * Math.sqrt(Math.max(worth, 0) / top)) | 0;
}

/** Draw what was measured behind the finger: a cell around each point, and the point itself. */
function drawMap(pad) {
  const canvas = pad.part("map");
  const context = canvas.getContext("2d");
  const shown = pad.model.header.surfaces[pad.behind];
  pad.part("nothing").hidden = Boolean(shown);
  for (const name of ["behind", "low", "ramp", "high"]) pad.part(name).hidden = !shown;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!shown) return;
  const values = shown.points.map((point) => point[2]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  pad.part("low").textContent = low.toFixed(3);
  pad.part("high").textContent = high.toFixed(3);
  const lines = pad.surfaces[pad.behind].filter((line) => line.row.length > 1);
  const bands = edges(lines.map((line) => line.lam));
  lines.forEach(({row}, line) => {
    const [bottom, top] = bands[line];
    const cells = edges(row.map((point) => point[0]));
    row.forEach(([, value], place) => {
      const [left, right] = cells[place];
      const step = high > low ? Math.floor((255 * (value - low)) / (high - low)) : 255;
      context.fillStyle = pad.colours.words[step];
      context.fillRect(left * canvas.width, (1 - top) * canvas.height,
        (right - left) * canvas.width, (top - bottom) * canvas.height);
    });
  });
  context.fillStyle = pad.colours.words.text;
  for (const [lam, share] of shown.points) {
    context.beginPath();
    context.arc(share * canvas.width, (1 - lam) * canvas.height, 1.5 * pad.ratio, 0, 7);
    context.fill();
  }
}

/** Return where the cell of each number begins and ends: half way to its neighbours, in order. */
function edges(numbers) {
  const usual = numbers.length > 1 ? (numbers.at(-1) - numbers[0]) / (numbers.length - 1) : 0.1;
  return numbers.map((number, place) => [
    Math.max(0, (number + (numbers[place - 1] ?? number - usual)) / 2),
    Math.min(1, (number + (numbers[place + 1] ?? number + usual)) / 2),
  ]);
}
