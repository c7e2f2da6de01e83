// Quality between measured points of λ and sparsity.

/** Order measured points [λ, sparsity, value] by λ, then by sparsity. */
export function createSurface(points) {
  const rows = new Map();
  for (const [lam, sparsity, value] of points) {
    if (!rows.has(lam)) rows.set(lam, []);
    rows.get(lam).push([sparsity, value]);
  }
  return [...rows].sort((one, other) => one[0] - other[0]).map(([lam, row]) =>
    ({lam, row: row.sort((one, other) => one[0] - other[0])}));
}

/**
 * Return the value at λ and a sparsity and whether it was measured there, or null outside.
 *
 * Linear along the sparsity, then along λ: bilinear in a cell of four measured corners. A λ of
 * which a single sparsity was measured counts at that point alone.
 */
export function readSurface(surface, lam, sparsity) {
  const own = surface.find((line) => line.lam === lam)?.row.find((at) => at[0] === sparsity);
  if (own) return {value: own[1], measured: true};
  let below = null;
  let above = null;
  for (const line of surface) {
    const value = line.row.length > 1 ? along(line.row, sparsity) : null;
    if (value === null) continue;
    if (line.lam <= lam) below = [line.lam, value];
    if (line.lam >= lam && above === null) above = [line.lam, value];
  }
  if (below === null || above === null) return null;
  return {value: between(below, above, lam), measured: false};
}

function along(row, at) {
  for (let place = 1; place < row.length; place++) {
    if (row[place - 1][0] <= at && at <= row[place][0]) return between(row[place - 1], row[place], at);
  }
  return null;
}

function between([from, first], [to, last], at) {
  return from === to ? first : first + ((last - first) * (at - from)) / (to - from);
}
