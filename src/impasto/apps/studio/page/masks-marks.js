/** What is drawn over the picture at the screen's own resolution: brush ring, lasso, smart strokes. */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {() => {left: number, top: number, scale: number}} lying where the picture is
 */
export function createMarks(canvas, lying) {
  const context = canvas.getContext("2d");
  let ratio = 1;

  function fit({ width, height }) {
    ratio = devicePixelRatio;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }

  /** A line that is seen on light and on dark. */
  function twice(width, colour) {
    context.lineWidth = width + 2;
    context.strokeStyle = "rgb(0 0 0 / 0.65)";
    context.stroke();
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.stroke();
  }

  function path(points, close) {
    context.beginPath();
    points.forEach(({ x, y }, i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (points.length === 1) context.lineTo(points[0].x + 0.01, points[0].y);
    if (close) context.closePath();
  }

  return {
    fit,
    /** @param {{ring: object|null, lasso: object[]|null, strokes: object[]}} what in the picture's pixels */
    draw({ ring, lasso, strokes }) {
      const { left, top, scale } = lying();
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, canvas.width, canvas.height);
      context.lineCap = context.lineJoin = "round";
      const shown = ({ x, y }) => ({ x: left + x * scale, y: top + y * scale });
      for (const { side, points } of strokes) {
        path(points.map(shown), false);
        context.setLineDash(side === "inside" ? [] : [1, 7]);
        twice(4, side === "inside" ? "#fff" : "#ff6b5e");
        context.setLineDash([]);
      }
      if (lasso?.length) {
        path(lasso.map(shown), false);
        twice(1.5, "#fff");
        path([lasso.at(-1), lasso[0]].map(shown), false);
        context.setLineDash([5, 5]);
        twice(1.5, "#fff");
        context.setLineDash([]);
      }
      if (ring) {
        const { x, y } = shown(ring);
        const radius = Math.max(2, ring.r * scale);
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        twice(1.25, ring.down ? "#ffd45e" : "#fff");
        const inner = radius * (1 - ring.soft);
        if (ring.soft > 0.02 && radius > 8) {
          context.beginPath();
          context.arc(x, y, Math.max(1, inner), 0, 2 * Math.PI);
          context.lineWidth = 1;
          context.strokeStyle = "rgb(255 255 255 / 0.55)";
          context.stroke();
        }
        if (radius > 8 || ring.cross) {
          context.beginPath();
          for (const [dx, dy] of [[4, 0], [0, 4]]) {
            context.moveTo(x - dx, y - dy);
            context.lineTo(x + dx, y + dy);
          }
          twice(1, "#fff");
        }
      }
    },
  };
}
