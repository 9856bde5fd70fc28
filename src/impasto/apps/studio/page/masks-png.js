/** Masks as PNG files of 8 bits of grey, which a canvas does not write, and pictures as masks. */

import { fromPixels } from "./masks-raster.js";

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** The checksum of PNG's chunks (CRC-32). */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function chunk(type, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** A PNG file of a mask; the same mask gives the same file. @returns {Promise<Blob>} */
export async function encodePng(mask, width, height) {
  const lines = new Uint8Array((width + 1) * height); // each line begins with its filter, 0
  for (let row = 0; row < height; row++) lines.set(mask.subarray(row * width, (row + 1) * width), row * (width + 1) + 1);
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"));
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head[8] = 8; // bits; colour type 0 is grey
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  return new Blob([signature, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", new Uint8Array())], { type: "image/png" });
}

/** A file or answer as a mask of this size. @param {Blob} blob @returns {Promise<Uint8Array>} */
export async function decodeMask(blob, width, height) {
  const image = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  image.close();
  return fromPixels(context.getImageData(0, 0, width, height).data);
}
