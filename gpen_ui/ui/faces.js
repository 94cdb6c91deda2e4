// The panel of faces: clicks, sliders and drawn boxes become one event with what was asked; the server draws it anew.
const photo = () => element.querySelector('.face-photo');
const placeOf = node => Number(node.closest('[data-place]').dataset.place);
const send = data => trigger('apply', data);
let waiting = 0;
const later = data => { clearTimeout(waiting); waiting = setTimeout(send, 300, data); };  // each arrow key is a change
let focused = null, drawing = false, from = null, box = null;

element.addEventListener('input', event => {
  if (event.target.type === 'range') event.target.parentElement.querySelector('output').value = event.target.value;
});
element.addEventListener('change', event => {
  const input = event.target, place = placeOf(input);
  if (input.type === 'checkbox') send({act: 'on', place, on: input.checked});
  else if (input.type === 'range') later({act: 'strength', place, strength: Number(input.value)});
  else if (input.tagName === 'SELECT') send({act: 'model', place, model: input.value});
});
element.addEventListener('click', event => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.matches('.face') && !drawing) {
    send({act: 'on', place: placeOf(button), on: button.getAttribute('aria-pressed') !== 'true'});
  } else if (button.matches('[data-compare]')) send({act: 'compare', place: placeOf(button)});
  else if (button.matches('[data-draw]')) draw(!drawing, event.detail === 0);
});

// Drawing: with the pointer from corner to corner; with the keyboard by moving and stretching a box.
function draw(on, byKeyboard) {
  drawing = on; from = null; box?.remove(); box = null;
  photo().classList.toggle('drawing', on);
  element.querySelector('[data-draw]').setAttribute('aria-pressed', String(on));
  element.querySelector('.draw-help').hidden = !on;
  if (on && byKeyboard) { place(0.4, 0.4, 0.6, 0.65); box.focus(); }
}
function place(left, top, right, bottom) {
  if (!box) {
    box = document.createElement('div');
    box.className = 'drawn'; box.tabIndex = 0; box.setAttribute('role', 'img');
    box.setAttribute('aria-label', element.querySelector('.draw-help').textContent);
    photo().append(box);
  }
  box.edges = [left, top, right, bottom];
  Object.assign(box.style, {left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`});
}
function finish() {
  const edges = box.edges;
  draw(false, false);
  if (edges[2] - edges[0] > 0.002 && edges[3] - edges[1] > 0.002) send({act: 'draw', box: edges});
}
const at = event => {
  const frame = photo().getBoundingClientRect(), share = (value, size) => Math.min(1, Math.max(0, value / size));
  return [share(event.clientX - frame.left, frame.width), share(event.clientY - frame.top, frame.height)];
};
element.addEventListener('pointerdown', event => {
  if (!drawing || !event.target.closest('.face-photo')) return;
  event.preventDefault();
  from = at(event);
  photo().setPointerCapture(event.pointerId);
});
element.addEventListener('pointermove', event => {
  if (!from) return;
  const to = at(event);
  place(Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1]));
});
element.addEventListener('pointerup', () => { if (from && box) finish(); from = null; });
element.addEventListener('pointercancel', () => { if (drawing) draw(false, false); });
element.addEventListener('keydown', event => {
  if (!drawing) return;
  if (event.key === 'Escape') { draw(false, false); element.querySelector('[data-draw]').focus(); return; }
  if (event.target !== box) return;
  if (event.key === 'Enter') { event.preventDefault(); finish(); return; }
  const step = {ArrowLeft: [-0.01, 0], ArrowRight: [0.01, 0], ArrowUp: [0, -0.01], ArrowDown: [0, 0.01]}[event.key];
  if (!step) return;
  event.preventDefault();
  const [left, top, right, bottom] = box.edges, keep = value => Math.min(1, Math.max(0, value));
  if (event.shiftKey) place(left, top, keep(Math.max(left + 0.01, right + step[0])), keep(Math.max(top + 0.01, bottom + step[1])));
  else if (left + step[0] >= 0 && right + step[0] <= 1 && top + step[1] >= 0 && bottom + step[1] <= 1)
    place(left + step[0], top + step[1], right + step[0], bottom + step[1]);
});

// Drawn anew, the panel keeps the focus where it was.
element.addEventListener('focusin', event => { focused = event.target.dataset.key ?? null; });
element.addEventListener('focusout', event => { if (event.relatedTarget) focused = null; });
// Asked for from elsewhere on the page, it comes into view once and takes the keyboard's place.
function arrive() {
  const fresh = element.querySelector('[data-arrives]');
  if (!fresh) return;
  fresh.removeAttribute('data-arrives');
  setTimeout(() => { fresh.focus({preventScroll: true}); fresh.scrollIntoView({block: 'nearest'}); }, 100);
}
arrive();
new MutationObserver(() => {
  arrive();
  if (focused === null || document.activeElement !== document.body) return;
  element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
}).observe(element, {childList: true, subtree: true});
