// The mask of sparsekd/units/masking.py in the browser, bit for bit: numbers in JavaScript and in
// numpy's float64 are the same, so the same operations in the same order give the same mask.

/** Read what payload.py wrote: a header in JSON, scales in float64, scores in float32. */
export function readPayload(bytes) {
  const buffer = bytes.slice().buffer; // a copy of its own begins where arrays may begin
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const [layers, heads, neurons] = header.shape;
  const scales = new Float64Array(buffer, 4 + size, 4 * layers);
  let start = 4 + size + scales.byteLength;
  const scores = [heads, heads, neurons, neurons].map((width, place) => {
    const raw = new Float32Array(buffer, start, layers * width);
    start += raw.byteLength;
    const scaled = new Float64Array(raw.length);
    for (let layer = 0; layer < layers; layer++) {
      const scale = scales[place * layers + layer];
      for (let unit = layer * width; unit < (layer + 1) * width; unit++) {
        scaled[unit] = raw[unit] / scale;
      }
    }
    return scaled;
  });
  return {
    header,
    heads: createPool(layers, heads, scores[0], scores[1]),
    neurons: createPool(layers, neurons, scores[2], scores[3]),
  };
}

/** The units of one kind: their scaled scores, and memory that every frame uses again. */
function createPool(layers, width, expressiveness, friendliness) {
  const size = layers * width;
  return {
    layers, width, size, expressiveness, friendliness,
    worth: new Float64Array(size),
    work: new Float64Array(size),
    kept: new Uint8Array(size),
    keptSoon: new Uint8Array(size),
    counts: new Int32Array(layers),
  };
}

/** Set each unit's worth to λ · expressiveness + (1 − λ) · student-friendliness. */
export function mix(pool, lam) {
  const {expressiveness, friendliness, worth, size} = pool;
  const rest = 1 - lam;
  for (let unit = 0; unit < size; unit++) {
    worth[unit] = lam * expressiveness[unit] + rest * friendliness[unit];
  }
}

/**
 * Mark in `kept` (by default the pool's) what stays at this sparsity: 1 kept, 0 removed.
 *
 * Returns whether anything stays.
 */
export function decide(pool, sparsity, roundTo = 1, kept = pool.kept) {
  const {layers, width, size, counts} = pool;
  removeLowest(pool, 0, size, roundHalfEven(sparsity * size), kept);
  if (roundTo > 1) {
    for (let layer = 0; layer < layers; layer++) {
      let removed = 0;
      for (let unit = layer * width; unit < (layer + 1) * width; unit++) removed += 1 - kept[unit];
      counts[layer] = Math.min(roundHalfEven(removed / roundTo) * roundTo, width);
    }
    for (let layer = 0; layer < layers; layer++) {
      removeLowest(pool, layer * width, (layer + 1) * width, counts[layer], kept);
    }
  }
  return kept.indexOf(1) >= 0;
}

/** Remove the `count` lowest of a range; among equals the first. */
function removeLowest(pool, start, end, count, kept) {
  const {worth, work} = pool;
  kept.fill(1, start, end);
  if (count <= 0) return;
  const part = work.subarray(0, end - start);
  part.set(worth.subarray(start, end));
  const threshold = select(part, count - 1);
  let left = count;
  for (let unit = start; unit < end; unit++) {
    if (worth[unit] < threshold) {
      kept[unit] = 0;
      left--;
    }
  }
  for (let unit = start; left > 0; unit++) {
    if (worth[unit] === threshold) {
      kept[unit] = 0;
      left--;
    }
  }
}

/** Return the value at this place of the sorted array, which loses its order (Hoare's FIND). */
function select(values, place) {
  let left = 0;
  let right = values.length - 1;
  while (left < right) {
    const pivot = values[place];
    let low = left;
    let high = right;
    while (low <= high) {
      while (values[low] < pivot) low++;
      while (pivot < values[high]) high--;
      if (low <= high) {
        const value = values[low];
        values[low++] = values[high];
        values[high--] = value;
      }
    }
    if (high < place) left = low;
    if (place < low) right = high;
  }
  return values[place];
}

/** Round to the nearest whole number, half to even, as Python and numpy do. */
function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 ? below + 1 : below;
}

/** Decide both kinds of units at λ and a sparsity; return whether this is a mask. */
export function buildMask(model, lam, sparsity) {
  const {header, heads, neurons} = model;
  mix(heads, lam);
  mix(neurons, lam);
  const some = decide(heads, sparsity);
  return decide(neurons, header.neuron_sparsity ?? sparsity, header.round_to) && some;
}

/** Count what the current mask leaves of one cost of the model: of its weights, or operations. */
export function countCost(model, cost) {
  let total = cost.fixed;
  for (const [pool, unit, block] of [
    [model.heads, cost.head, cost.attention], [model.neurons, cost.neuron, cost.feed_forward],
  ]) {
    for (let layer = 0; layer < pool.layers; layer++) {
      let kept = 0;
      for (let at = layer * pool.width; at < (layer + 1) * pool.width; at++) kept += pool.kept[at];
      total += kept * unit + (kept ? block : 0);
    }
  }
  return total;
}
