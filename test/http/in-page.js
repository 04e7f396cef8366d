/** Runs in the page that is tried, see browser.ts. */

const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });

/** Red, green, blue, and how opaque. */
function colorOf(text) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = text;
  pen.fillRect(0, 0, 1, 1);
  return [...pen.getImageData(0, 0, 1, 1).data];
}

function lightOf([red, green, blue]) {
  const part = (value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
}

/** What is behind a text: of one in a drawing, the shape it stands on. */
function groundOf(start) {
  if (start.matches('.inside')) {
    return colorOf(getComputedStyle(start.parentElement.querySelector('.shape')).fill);
  }
  for (let node = start; node !== null; node = node.parentElement) {
    const color = colorOf(getComputedStyle(node).backgroundColor);
    if (color[3] === 255) return color;
  }
  throw new Error('nothing is behind it');
}

function contrastOf(element) {
  const style = getComputedStyle(element);
  const ink = lightOf(colorOf(element instanceof SVGElement ? style.fill : style.color));
  const ground = lightOf(groundOf(element));
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}

globalThis.paleTexts = (least) => {
  const pale = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = node.textContent.trim();
    const parent = node.parentElement;
    const isSeen = parent.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (text === '' || !isSeen || parent.closest('.unseen') !== null) continue;
    seen += 1;
    const contrast = contrastOf(parent);
    if (contrast < least) pale.push(`${contrast.toFixed(2)}: ${text}`);
  }
  return seen < 5 ? ['there is nothing to read'] : pale;
};

/** What has the focus, in words; null where the page has let go of it. */
globalThis.focused = () => {
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  const { outlineStyle } = getComputedStyle(element);
  const shape = element.querySelector('.shape') ?? element.nextElementSibling ?? element;
  const isShown =
    outlineStyle !== 'none' ||
    getComputedStyle(shape).outlineStyle !== 'none' ||
    getComputedStyle(shape).strokeWidth === '2px';
  const name = element.getAttribute('aria-label') ?? element.value ?? '';
  const text = `${element.localName} ${element.textContent.trim().slice(0, 40) || name}`.trim();
  return isShown ? text : `${text}, which nobody sees`;
};
