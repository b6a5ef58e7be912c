/** Pixels of pictures: grey ones, and others of another size. */
// @ts-check

/** The brightness that people see, from 0 to 255. @param {ImageData} image */
export function grey({ data, width, height }) {
  const pixels = new Float32Array(width * height);
  for (let place = 0; place < pixels.length; place++) {
    const [red, green, blue, opacity] = data.subarray(4 * place, 4 * place + 4);
    pixels[place] = ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16) * (opacity / 255);
  }
  return { pixels, width, height };
}

/** Part of a picture in another size, from 0 to 1: interpolated linearly, and averaged where it gets smaller; dark outside.
 * @param {{pixels: Float32Array, width: number, height: number}} image
 * @param {{left: number, top: number, width: number, height: number}} box
 * @param {number} width @param {number} height */
export function resized(image, box, width, height) {
  const across = weights(box.left, box.width, width, image.width);
  const down = weights(box.top, box.height, height, image.height);
  const narrow = new Float32Array(image.height * width);
  for (let y = 0; y < image.height; y++)
    across.forEach(({ first, shares }, x) => {
      let sum = 0;
      shares.forEach((share, place) => (sum += share * image.pixels[y * image.width + first + place]));
      narrow[y * width + x] = Math.floor(sum + 0.5);
    });
  const found = new Float32Array(height * width);
  down.forEach(({ first, shares }, y) => {
    for (let x = 0; x < width; x++) {
      let sum = 0;
      shares.forEach((share, place) => (sum += share * narrow[(first + place) * width + x]));
      found[y * width + x] = Math.floor(sum + 0.5) / 255;
    }
  });
  return found;
}

/** What each pixel of a row gives to each new one. @param {number} start @param {number} length @param {number} size @param {number} pixels */
function weights(start, length, size, pixels) {
  const scale = length / size, reach = Math.max(scale, 1);
  return Array.from({ length: size }, (_, place) => {
    const centre = start + (place + 0.5) * scale;
    const low = Math.floor(centre - reach), high = Math.ceil(centre + reach);
    const all = Array.from({ length: high - low }, (_, step) => Math.max(0, 1 - Math.abs(low + step + 0.5 - centre) / reach));
    const inBox = all.map((share, step) => (low + step + 0.5 > start && low + step + 0.5 < start + length ? share : 0));
    const sum = inBox.reduce((a, b) => a + b, 0) || 1;
    const first = Math.max(0, low);
    return { first, shares: inBox.slice(first - low, Math.max(first - low, pixels - low)).map((share) => share / sum) };
  });
}
