/** Paper and the pixels of a print. Pure functions. */

/** Sides in millimetres, the longer one second. */
export const PAPERS = {
  A5: [148, 210],
  A4: [210, 297],
  A3: [297, 420],
  A2: [420, 594],
  A1: [594, 841],
  A0: [841, 1189],
};

/**
 * The largest picture of an aspect that lies on a paper, turned as the picture is.
 *
 * @param {[number, number]} paper millimetres
 * @param {number} dpi pixels per inch
 * @param {{width: number, height: number}} picture whose aspect is kept
 * @returns {{millimetres: [number, number], pixels: [number, number]}}
 */
export function printed(paper, dpi, picture) {
  const [short, long] = [Math.min(...paper), Math.max(...paper)];
  const wide = picture.width >= picture.height;
  const [across, down] = wide ? [long, short] : [short, long];
  const scale = Math.min(across / picture.width, down / picture.height);
  const millimetres = [picture.width * scale, picture.height * scale];
  return {
    millimetres: millimetres.map((side) => Math.round(side)),
    pixels: millimetres.map((side) => Math.round((side / 25.4) * dpi)),
  };
}
