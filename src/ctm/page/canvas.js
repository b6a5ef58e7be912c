/** Drawing that several parts of the page share. */
// @ts-check

/** A canvas of so many pixels of the style sheet, sharp on every screen. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
export function sized(canvas, width, height) {
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.aspectRatio = `${width} / ${height}`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Colours by name, as they are in the present scheme, dark or light. @type {Map<string, string>} */
const colours = new Map();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => colours.clear());

/** A colour of the style sheet. @param {string} name @returns {string} */
export function colour(name) {
  if (!colours.has(name)) {
    const probe = document.body.appendChild(element("span", { style: `color: var(--${name})` }));
    colours.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return /** @type {string} */ (colours.get(name));
}

/** Calls back with the place of a pointer on a canvas, in shares of its size, while it is pressed.
 * @param {HTMLElement} element @param {(x: number, y: number, first: boolean) => void} moved @param {() => void} [ended] */
export function onDrag(element, moved, ended) {
  /** @param {PointerEvent} event @param {boolean} first */
  const tell = (event, first) => {
    const box = element.getBoundingClientRect();
    moved((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, first);
  };
  element.style.touchAction = "none";
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    tell(event, true);
  });
  element.addEventListener("pointermove", (event) => element.hasPointerCapture(event.pointerId) && tell(event, false));
  element.addEventListener("pointerup", () => ended?.());
}

/** An element with attributes and children. @param {string} name @param {Record<string, any>} properties @param {(Node | string)[]} children @returns {any} */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && !key.startsWith("aria")) /** @type {any} */ (made)[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
