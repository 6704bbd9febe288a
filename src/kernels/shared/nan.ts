/*
 * NaN, which WGSL lets a compiler take for absent: on some adapters max(NaN, 0) is 0, x != x is false everywhere and exp(NaN) is a number. So
 * whatever selects by comparison tells NaN by its bits, in here, and lets it through as NumPy does.
 */

const namesOf = {
  f32: { signed: 'i32', unsigned: 'u32', bools: 'bool' },
  vec4f: { signed: 'vec4i', unsigned: 'vec4u', bools: 'vec4<bool>' },
} as const;

/** The bits of -inf, as a whole number. */
const MINUS_INFINITY = -0x800000;

/**
 * WGSL over values of a type, component by component:
 *   isNan(x)
 *   takesOver(x, best)  whether x is the largest so far: of equal ones the first, of several NaN the last
 *   beats(x, best)      the same, but of several NaN the first: dearer
 *   rectified(x)        max(x, 0), NaN where x is, and 0 for -0: of bits read as whole numbers, those of -inf to -0 come before those of a NaN
 *   isOpen(y)           whether the gradient passes behind `rectified`, whose result is y: where that isn't 0, so, as in PyTorch, also at NaN
 *   exponential(x)      exp(x), NaN where x is
 */
export function nanWgsl(type: 'f32' | 'vec4f'): string {
  const { signed, unsigned, bools } = namesOf[type];
  return `
fn isNan(x: ${type}) -> ${bools} {
  return (bitcast<${unsigned}>(x) & ${unsigned}(0x7fffffffu)) > ${unsigned}(0x7f800000u);
}
fn takesOver(x: ${type}, best: ${type}) -> ${bools} { return (x > best) | isNan(x); }
fn beats(x: ${type}, best: ${type}) -> ${bools} { return takesOver(x, best) & !isNan(best); }
fn rectified(x: ${type}) -> ${type} {
  return select(x, ${type}(), bitcast<${signed}>(x) <= ${signed}(${MINUS_INFINITY}));
}
fn isOpen(y: ${type}) -> ${bools} { return bitcast<${unsigned}>(y) != ${unsigned}(); }
fn exponential(x: ${type}) -> ${type} { return select(exp(x), x, isNan(x)); }`;
}
