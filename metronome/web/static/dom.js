// Building and finding elements without ever turning text into markup: what was sent by
// strangers (names, labels, rejected lines) only becomes text nodes.

/** The element with this id; a missing one is a mistake in index.html. */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element;
}

/** A new element: `build("span", { class: "age" }, "3 s")`.  Properties that begin with
 * "on" are listeners; false, null and undefined leave an attribute out. */
export function build(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute; false, null and undefined remove it, true makes it empty. */
export function setAttribute(element, name, value) {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Changes an element's text only where it differs, so that live regions stay quiet. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes `parent` hold exactly these children in this order, moving only what is out of
 * place, so that focus and scrolling survive a refresh. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  const focused = document.activeElement;
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

/** Fills a <select> with [value, text] pairs and picks one; the first where it is unknown. */
export function fillSelect(select, options, value) {
  const same =
    select.options.length === options.length &&
    options.every(([key, text], index) => {
      const option = select.options[index];
      return option.value === key && option.text === text;
    });
  if (!same) select.replaceChildren(...options.map(([key, text]) => build("option", { value: key }, text)));
  select.value = options.some(([key]) => key === value) ? value : (options[0]?.[0] ?? "");
}
