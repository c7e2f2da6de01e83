// Sizes of the pictures, and the theme's colours.

const TALLEST = 360; // CSS pixels of all neurons, where there is room
const NARROW = 420; // CSS pixels of a map below which it is a telephone's
const ROW = 17; // CSS pixels of a layer's heads

function layOut(pad) {
  const {heads, neurons} = pad.model;
  pad.ratio = window.devicePixelRatio || 1;
  const gutter = 22;
  const width = Math.max(120, Math.min(pad.part("show").clientWidth, 900) - gutter);
  size(pad.part("heads"), Math.min(width, heads.width * 56), heads.layers * ROW, pad.ratio);
  pad.root.querySelectorAll(".rows").forEach((rows) => labelLayers(rows, heads.layers));
  layOutNeurons(pad, neurons, Math.floor(width * pad.ratio));
  const field = pad.part("field");
  size(pad.part("map"), field.clientWidth, field.clientHeight, pad.ratio);
}

/** Break each layer's neurons into lines, and find the largest cell with which all fit. */
function layOutNeurons(pad, neurons, width) {
  const {layers} = neurons;
  const tallest = width > NARROW * pad.ratio ? TALLEST : TALLEST / 2;
  let [cell, columns, lines] = [0, 0, 0];
  for (cell = Math.floor(12 * pad.ratio); cell >= 1; cell--) {
    columns = Math.min(Math.floor(width / cell), neurons.width);
    lines = Math.ceil(neurons.width / columns);
    if ((layers * (lines + 1) - 1) * cell <= tallest * pad.ratio) break;
  }
  cell = Math.max(cell, 1);
  const canvas = pad.part("neurons");
  canvas.width = columns;
  canvas.height = layers * (lines + 1) - 1;
  Object.assign(canvas.style,
    {width: `${(columns * cell) / pad.ratio}px`, height: `${(canvas.height * cell) / pad.ratio}px`});
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const places = Uint32Array.from({length: neurons.size}, (_, unit) => {
    const at = unit % neurons.width;
    const band = layers - 1 - (unit - at) / neurons.width;
    return (band * (lines + 1) + Math.floor(at / columns)) * columns + (at % columns);
  });
  pad.picture = {context, image, places, pixels: new Uint32Array(image.data.buffer)};
}

function size(canvas, width, height, ratio) {
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  if (!canvas.classList.contains("map")) {
    Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
  }
}

function labelLayers(rows, layers) {
  if (rows.childElementCount === layers) return;
  rows.replaceChildren(...Array.from({length: layers}, (_, row) => {
    const label = document.createElement("span");
    label.textContent = layers - row;
    return label;
  }));
}

/** Return the theme's colours, as words and as pixels. */
function readColours(root) {
  const style = getComputedStyle(root);
  const probe = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgb = (name) => {
    probe.fillStyle = style.getPropertyValue(`--st-${name}`).trim();
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const [ground, accent, removed, soon, cross, text] =
    ["background-color", "primary-color", "secondary-background-color", "orange-color",
      "red-color", "text-color"].map(rgb);
  const mixed = Array.from({length: 256}, (_, step) =>
    ground.map((value, place) => Math.round(value + (accent[place] - value) * (0.3 + (0.7 * step) / 255))));
  const word = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;
  const pixel = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;
  const words = Object.assign(mixed.map(word),
    {removed: word(removed), soon: word(soon), cross: word(cross), text: word(text)});
  root.querySelector(".ramp").style.background = `linear-gradient(to right, ${words[0]}, ${words[255]})`;
  root.querySelector(".gone").style.background = words.removed;
  root.querySelector(".soon").style.background = words.soon;
  return {words, shades: Uint32Array.from(mixed, pixel), removed: pixel(removed), soon: pixel(soon)};
}
