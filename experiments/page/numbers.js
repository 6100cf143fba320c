"use strict";
/* Numbers as text, and the marks of logarithmic axes. */

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Where to mark a logarithmic axis, and with what: at most `most` labels. */
function ticks([low, high], most) {
  const decades = range(Math.ceil(low - 1e-9), Math.floor(high + 1e-9));
  if (decades.length < 2) return between(low, high, most);
  const step = Math.ceil(decades.length / most);
  return decades.map((at) => ({ at, text: at % step === 0 ? power(at) : "" }));
}

function between(low, high, most) {
  const coarse = multiples([1, 2, 5], low, high);
  const marks = coarse.length > 2 ? coarse : even(10 ** low, 10 ** high);
  const step = Math.ceil(marks.length / most);
  return marks.map((value, i) => ({
    at: Math.log10(value),
    text: i % step === 0 ? written(value) : "",
  }));
}

function multiples(digits, low, high) {
  return range(Math.floor(low), Math.ceil(high))
    .flatMap((decade) => digits.map((digit) => digit * 10 ** decade))
    .filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
}

/** About four round numbers between two that are close. */
function even(low, high) {
  const decade = 10 ** Math.floor(Math.log10((high - low) / 3));
  const step = [5, 2, 1].map((digit) => digit * decade).find((s) => s <= (high - low) / 3);
  return range(Math.ceil(low / step), Math.floor(high / step)).map((n) => n * step);
}

function range(first, last) {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => first + i);
}

function power(exponent) {
  if (exponent >= -2 && exponent <= 3) return written(10 ** exponent);
  return `10${exponent < 0 ? "⁻" : ""}${superscript(Math.abs(exponent))}`;
}

function superscript(number) {
  return [...String(number)].map((digit) => SUPERSCRIPTS[digit]).join("");
}

/** A number with three digits, as people write it: 0.0125, 2.5·10⁻⁴. */
function written(value, digits = 3) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (value === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(digits)));
  const exponent = Math.floor(Math.log10(size));
  const leading = Number((value / 10 ** exponent).toPrecision(digits));
  return leading === 1 ? power(exponent) : `${leading}·${power(exponent)}`;
}

/** Mean ± spread, with one digit more than the spread needs. */
function withSpread(mean, spread, unit = "") {
  if (mean === null) return "–";
  if (!spread) return `${written(mean)}${unit}`;
  const places = Math.min(Math.max(1 - Math.floor(Math.log10(spread)), 0), 6);
  return `${mean.toFixed(places)} ± ${spread.toFixed(places)}${unit}`;
}
