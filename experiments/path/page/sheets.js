"use strict";
/* The units of a network as pictures: grey sheets unpacked and coloured. */

const GAP = 2; // pixels between pictures
const FAINT = 0.7; // the power of a share of the largest weight that is its share of the colour

/** Signed levels of all units of a sheet, one after the other; a promise. */
async function unpacked(sheets, place) {
  const image = new Image();
  image.src = sheets.urls[place];
  await image.decode();
  const canvas = make("canvas", { width: image.width, height: image.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  return units(sheets, data, image.width);
}

function units({ width, height, columns, count, levels }, data, stride) {
  const found = new Int8Array(count * width * height);
  for (let unit = 0, at = 0; unit < count; unit += 1) {
    const left = (unit % columns) * width;
    const top = Math.floor(unit / columns) * height;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 1) {
        const grey = data[4 * ((top + y) * stride + left + x)];
        found[at] = Math.round((grey * 2 * levels) / 255) - levels;
      }
    }
  }
  return found;
}

function inRow(count) {
  return count > 10 ? Math.ceil(Math.sqrt(count)) : Math.min(count, 5);
}

/** The unit at a place on a canvas, both as shares of its size; null where there is none. */
function unitAt({ width, height, count }, x, y) {
  const columns = inRow(count);
  const rows = Math.ceil(count / columns);
  const column = Math.floor((x * (columns * (width + GAP) - GAP)) / (width + GAP));
  const row = Math.floor((y * (rows * (height + GAP) - GAP)) / (height + GAP));
  const unit = row * columns + column;
  return column >= 0 && column < columns && unit >= 0 && unit < count ? unit : null;
}

/** The pictures on a canvas, as many in a row as make it about square. */
function paint(canvas, { width, height, count, levels }, found) {
  const columns = inRow(count);
  const rows = Math.ceil(count / columns);
  canvas.width = columns * (width + GAP) - GAP;
  canvas.height = rows * (height + GAP) - GAP;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(picture.data.buffer);
  const colours = palette(levels);
  for (let unit = 0, at = 0; unit < count; unit += 1) {
    const left = (unit % columns) * (width + GAP);
    const top = Math.floor(unit / columns) * (height + GAP);
    for (let y = 0; y < height; y += 1) {
      const row = (top + y) * canvas.width + left;
      for (let x = 0; x < width; x += 1, at += 1) pixels[row + x] = colours[found[at] + levels];
    }
  }
  context.putImageData(picture, 0, 0);
}

/** Colours of the levels, from the most negative on, as the style sheet has them now. */
function palette(levels) {
  const [against, nearly, off, speaking] = ["against", "nearly", "off", "for"].map(channels);
  return Uint32Array.from({ length: 2 * levels + 1 }, (_, i) => {
    const level = i - levels;
    if (level === 0) return packed(off);
    const share = levels > 1 ? ((Math.abs(level) - 1) / (levels - 1)) ** FAINT : 1;
    const end = level < 0 ? against : speaking;
    return packed(nearly.map((value, c) => value + share * (end[c] - value)));
  });
}

function channels(name) {
  const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16));
}

function packed([red, green, blue]) {
  const bytes = new Uint8ClampedArray([red, green, blue, 255]);
  return new Uint32Array(bytes.buffer)[0];
}
