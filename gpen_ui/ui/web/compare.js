// <photo-compare>: photos before and after. A divider, a lens, 1:1 with panning, the original for as long as a button
// is held, full screen, several photos. Mouse, touch and keyboard.
//
// Attributes, all from the server:
//   photos  JSON: [{name, before, after, small, width, height, beforeWidth, beforeHeight, preview, tiles}], where the
//           first three are addresses, `preview` is the width of the previews in pixels, and `tiles` is the address
//           below which tiles of the full size lie, or null where the previews are the full size.
//   chosen  place of the photo to show, from 0.
//   texts   JSON: every word of it, see gpen_ui/ui/compare_views.py.
// Event `photochange` {place}: the person went to another photo.
const TILE_PX = 512, TILES_KEPT = 80, ZOOM_MOST = 8, KEY_STEP = 2, PAGE_STEP = 10, LENS_STEP_PX = 16;
const LENS_TIMES = [1, 2, 4, 8];  // of 100 %; the first that shows clearly more than the picture itself
const STYLE = new URL('compare.css', import.meta.url);
const kept = new Map();  // where each element's divider was, should the page take it away and bring it back

const ICONS = {
  previous: 'M15 5l-7 7 7 7', next: 'M9 5l7 7-7 7', fit: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  lens: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 1 0 0-13M15.5 15.5L20 20',
  hold: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12M12 9a3 3 0 1 0 0 6 3 3 0 1 0 0-6',
  screen: 'M3 5h18v14H3z',
};
const icon = name => `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

// One side of a photo: its preview, and over it the tiles of the full size that are in sight.
class Sheet {
  constructor(place, side) {
    this.side = side;
    this.node = document.createElement('div');
    this.node.className = 'sheet';
    this.picture = document.createElement('img');
    this.picture.alt = '';
    this.picture.draggable = false;
    this.tiles = new Map();
    this.node.append(this.picture);
    place.append(this.node);
  }
  show(photo) {
    if (this.photo?.[this.side] !== photo[this.side]) {
      this.picture.src = photo[this.side];
      this.tiles.forEach(tile => tile.remove());
      this.tiles.clear();
    }
    this.photo = photo;
  }
  // The sheet's corner at x, y, a pixel of the result `zoom` wide; `sight` is the size of the window on it. CSS pixels.
  place(x, y, zoom, sight) {
    const {width, height} = this.photo;
    Object.assign(this.node.style, {
      width: `${width * zoom}px`, height: `${height * zoom}px`, transform: `translate(${x}px, ${y}px)`});
    if (this.photo.tiles && zoom * devicePixelRatio * width > this.photo.preview * 1.02) this.cover(x, y, zoom, sight);
  }
  cover(x, y, zoom, sight) {
    const before = this.side === 'before', photo = this.photo;
    const wide = before ? photo.beforeWidth : photo.width, high = before ? photo.beforeHeight : photo.height;
    const px = zoom * photo.width / wide, py = zoom * photo.height / high;  // CSS pixels of one pixel of this side
    const range = (from, length, each, whole) => [
      Math.max(0, Math.floor(-from / each / TILE_PX)), Math.min(Math.ceil(whole / TILE_PX), Math.ceil((length - from) / each / TILE_PX))];
    const [left, right] = range(x, sight.width, px, wide), [top, bottom] = range(y, sight.height, py, high);
    for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) {
      const key = `${column}-${row}`, old = this.tiles.get(key);
      if (old) { this.tiles.delete(key); this.tiles.set(key, old); continue; }  // used last, dropped last
      this.tiles.set(key, this.tile(key, column, row, wide, high));
    }
    for (const [key, tile] of this.tiles) {
      if (this.tiles.size <= TILES_KEPT) break;
      tile.remove();
      this.tiles.delete(key);
    }
  }
  tile(key, column, row, wide, high) {
    const tile = document.createElement('img'), share = (px, whole) => `${100 * px / whole}%`;
    tile.alt = '';
    tile.draggable = false;
    tile.className = 'tile';
    tile.addEventListener('load', () => tile.classList.add('here'), {once: true});
    tile.addEventListener('error', () => tile.remove(), {once: true});  // the preview stays in sight
    Object.assign(tile.style, {
      left: share(column * TILE_PX, wide), top: share(row * TILE_PX, high),
      width: share(Math.min(TILE_PX, wide - column * TILE_PX), wide),
      height: share(Math.min(TILE_PX, high - row * TILE_PX), high)});
    tile.src = `${this.photo.tiles}/${this.side}/${key}.jpg`;
    this.node.append(tile);
    return tile;
  }
}

class PhotoCompare extends HTMLElement {
  static observedAttributes = ['photos', 'chosen', 'texts'];

  constructor() {
    super();
    this.photos = [];
    this.texts = {};
    this.place = 0;
    this.share = 0.5;     // of the picture that shows the original
    this.zoom = null;     // CSS pixels of one pixel of the result; null fits the whole photo in
    this.at = [0.5, 0.5]; // of the photo, what is in the middle when zoomed
    this.hasLens = this.isHeld = false;
    this.pointers = new Map();
    this.attachShadow({mode: 'open'});
  }

  connectedCallback() {
    if (kept.has(this.id)) this.share = kept.get(this.id);
    if (!this.stage) this.build();
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.stage);
    this.show();
  }
  disconnectedCallback() {
    this.sizes?.disconnect();
    kept.set(this.id, this.share);
  }
  attributeChangedCallback(name, before, after) {
    if (before === after || after === null) return;
    if (name === 'chosen') this.place = Number(after);
    else this[name] = JSON.parse(after);
    if (this.stage) this.show();
  }

  get photo() { return this.photos[this.place]; }
  $(selector) { return this.shadowRoot.querySelector(selector); }

  build() {
    const button = (name, extra = '') => `<button type="button" class="${name}" ${extra}>${icon(name)}<span></span></button>`;
    this.shadowRoot.innerHTML = `<link rel="stylesheet" href="${STYLE}">
      <div class="frame" role="group">
        <div class="stage">
          <div class="layer before"></div><div class="layer after"></div>
          <span class="tag before" aria-hidden="true"></span><span class="tag after" aria-hidden="true"></span>
          <div class="divider" role="slider" tabindex="0" aria-valuemin="0" aria-valuemax="100"><i></i></div>
          <div class="glass" role="img" tabindex="0" hidden>
            <div class="pane"></div><div class="pane"></div><b aria-hidden="true"></b></div>
        </div>
        <div class="bar">
          <div class="which">${button('previous')}<p></p>${button('next')}</div>
          <div class="tools">${button('fit')}<button type="button" class="one"><b>1:1</b><span></span></button>
            ${button('lens', 'aria-pressed="false"')}${button('hold', 'aria-pressed="false"')}${button('screen', 'aria-pressed="false"')}</div>
        </div>
        <ul class="strip"></ul>
        <p class="help"><span></span> <span class="keys"></span></p>
        <p class="said" role="status"></p>
      </div>`;
    this.frame = this.$('.frame');
    this.stage = this.$('.stage');
    this.divider = this.$('.divider');
    this.glass = this.$('.glass');
    this.sheets = ['before', 'after'].map(side => new Sheet(this.$(`.layer.${side}`), side));
    const panes = this.shadowRoot.querySelectorAll('.pane');
    this.panes = ['before', 'after'].map((side, number) => new Sheet(panes[number], side));
    this.listen();
  }

  listen() {
    const on = (selector, event, act) => this.$(selector).addEventListener(event, act);
    on('.previous', 'click', () => this.go(this.place - 1));
    on('.next', 'click', () => this.go(this.place + 1));
    on('.fit', 'click', () => this.zoomTo(null));
    on('.one', 'click', () => this.showPixels());
    on('button.lens', 'click', () => this.setLens(!this.hasLens));
    on('.screen', 'click', () => this.fillScreen());
    on('.strip', 'click', event => {
      const chosen = event.target.closest('button');
      if (chosen) this.go(Number(chosen.dataset.place));
    });
    const hold = this.$('.hold');
    hold.addEventListener('pointerdown', event => { hold.setPointerCapture(event.pointerId); this.hold(true); });
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture', 'blur']) hold.addEventListener(end, () => this.hold(false));
    hold.addEventListener('contextmenu', event => event.preventDefault());  // what a long touch asks for
    hold.addEventListener('keydown', event => { if (' Enter'.includes(event.key)) { event.preventDefault(); this.hold(true); } });
    hold.addEventListener('keyup', event => { if (' Enter'.includes(event.key)) this.hold(false); });
    this.frame.addEventListener('keydown', event => this.key(event));
    this.frame.addEventListener('keyup', event => { if (event.key.toLowerCase() === 'o') this.hold(false); });
    this.frame.addEventListener('focusout', () => { if (this.isHeldByKey) this.hold(false); });
    const stage = this.stage;
    stage.addEventListener('pointerdown', event => this.down(event));
    stage.addEventListener('pointermove', event => this.move(event));
    for (const end of ['pointerup', 'pointercancel']) stage.addEventListener(end, event => this.up(event));
    stage.addEventListener('dblclick', event => this.zoomTo(this.zoom === null ? 1 / devicePixelRatio : null, this.inStage(event)));
    stage.addEventListener('wheel', event => {
      if (!event.ctrlKey && !this.isFull) return;  // a wheel alone scrolls the page
      event.preventDefault();
      this.zoomTo((this.zoom ?? this.fitting) * Math.exp(-event.deltaY / 400), this.inStage(event));
    }, {passive: false});
    for (const which of ['fullscreenchange', 'webkitfullscreenchange']) this.addEventListener(which, () => this.draw());
  }

  // What the attributes say, put into the page.
  show() {
    const photo = this.photo, text = this.texts;
    this.hidden = !photo || !text.divider;
    if (this.hidden) return;
    const several = this.photos.length > 1;
    this.frame.setAttribute('aria-label', filled(text.compare, photo));
    this.stage.style.aspectRatio = `${photo.width} / ${photo.height}`;
    this.divider.setAttribute('aria-label', text.divider);
    this.$('.tag.before').textContent = text.before;
    this.$('.tag.after').textContent = text.after;
    this.$('.help span').textContent = text.help;
    this.$('.help .keys').textContent = text.keys;
    for (const name of ['previous', 'next', 'fit', 'one', 'lens', 'hold', 'screen']) {
      const button = this.$(`button.${name}`);
      button.querySelector('span').textContent = text[name];
      button.setAttribute('aria-label', text[name]);
      button.title = text[`${name}Help`] ?? text[name];
    }
    this.$('.which').hidden = !several;
    this.$('.which p').textContent = filled(text.which, {number: this.place + 1, total: this.photos.length, name: photo.name});
    this.$('.previous').disabled = this.place === 0;
    this.$('.next').disabled = this.place === this.photos.length - 1;
    this.drawStrip(several);
    [...this.sheets, ...this.panes].forEach(sheet => sheet.show(photo));
    this.draw();
    if (!this.wasSeen) requestAnimationFrame(() => this.scrollIntoView({block: 'nearest'}));  // it came above the button
    this.wasSeen = true;
  }
  drawStrip(several) {
    const strip = this.$('.strip'), wanted = several ? this.photos : [];
    strip.hidden = !several;
    while (strip.children.length > wanted.length) strip.lastChild.remove();
    wanted.forEach((photo, place) => {
      let item = strip.children[place];
      if (!item) {
        item = document.createElement('li');
        item.innerHTML = `<button type="button" data-place="${place}"><img alt="" loading="lazy"></button>`;
        strip.append(item);
      }
      const button = item.firstChild, picture = button.firstChild;
      if (picture.getAttribute('src') !== photo.small) picture.src = photo.small;
      button.setAttribute('aria-label', photo.name);
      button.title = photo.name;
      if (place === this.place) button.setAttribute('aria-current', 'true');
      else button.removeAttribute('aria-current');
    });
  }

  get box() { return {width: this.stage.clientWidth, height: this.stage.clientHeight}; }
  get fitting() { return Math.min(this.box.width / this.photo.width, this.box.height / this.photo.height); }
  get isFull() { return (document.fullscreenElement ?? document.webkitFullscreenElement) === this || this.frame.classList.contains('filled'); }

  // Where the picture lies on the stage: its corner, its size, and the part in sight. Kept within its edges.
  get laid() {
    const {width, height} = this.box, zoom = this.zoom ?? this.fitting;
    const wide = this.photo.width * zoom, high = this.photo.height * zoom;
    const middle = (share, length, whole) =>
      whole <= length ? (length - whole) / 2 : clamp(length / 2 - share * whole, length - whole, 0);
    const whole = value => Math.round(value * devicePixelRatio) / devicePixelRatio;  // else every pixel would be two mixed
    const x = whole(middle(this.at[0], width, wide)), y = whole(middle(this.at[1], height, high));
    return {x, y, wide, high, zoom, left: Math.max(0, x), right: Math.min(width, x + wide), top: Math.max(0, y)};
  }

  draw() {
    if (!this.photo || !this.stage || !this.box.width) return;
    const {x, y, zoom, left, right, top} = this.laid;
    this.sheets.forEach(sheet => sheet.place(x, y, zoom, this.box));
    const edge = left + this.share * (right - left), percent = Math.round(100 * this.share);
    this.$('.layer.after').style.clipPath = this.isHeld ? 'inset(0 0 0 100%)' : `inset(0 0 0 ${edge}px)`;
    this.divider.style.transform = `translateX(${edge}px)`;
    this.divider.setAttribute('aria-valuenow', percent);
    this.divider.setAttribute('aria-valuetext', filled(this.texts.value, {before: percent, after: 100 - percent}));
    this.stage.classList.toggle('held', this.isHeld);
    this.stage.classList.toggle('zoomed', this.zoom !== null);
    const tags = [this.$('.tag.before'), this.$('.tag.after')];
    tags.forEach(tag => { tag.style.top = `${top + 10}px`; });
    tags[0].style.left = `${left + 10}px`;
    tags[1].style.right = `${this.box.width - right + 10}px`;
    tags[0].classList.toggle('gone', !this.isHeld && edge - left < tags[0].offsetWidth + 14);
    tags[1].classList.toggle('gone', this.isHeld || right - edge < tags[1].offsetWidth + 14);
    this.$('.one').setAttribute('aria-pressed', String(this.zoom !== null && Math.abs(this.zoom * devicePixelRatio - 1) < 0.01));
    this.$('.fit').setAttribute('aria-pressed', String(this.zoom === null));
    this.$('.screen').setAttribute('aria-pressed', String(this.isFull));
    if (this.hasLens) this.drawLens();
  }

  go(place) {
    if (place < 0 || place >= this.photos.length || place === this.place) return;
    this.place = place;
    this.zoom = null;
    this.show();
    this.say(this.$('.which p').textContent);
    this.dispatchEvent(new CustomEvent('photochange', {bubbles: true, composed: true, detail: {place}}));
  }
  divide(share) {
    this.share = clamp(share, 0, 1);
    this.draw();
  }
  hold(on) {
    if (on === this.isHeld) return;
    this.isHeld = on;
    this.isHeldByKey = false;
    this.$('.hold').setAttribute('aria-pressed', String(on));
    this.say(on ? this.texts.before : '');
    this.draw();
  }
  // Another zoom, with what is at this point of the stage staying there.
  zoomTo(zoom, point = [this.box.width / 2, this.box.height / 2]) {
    const {x, y, zoom: before} = this.laid, target = zoom !== null && clamp(zoom, 0, ZOOM_MOST / devicePixelRatio);
    if (zoom === null || (target <= this.fitting * 1.001 && target < 1 / devicePixelRatio)) this.zoom = null;
    else {
      const share = (offset, middle, length, whole) => ((offset - middle) / before * target + length / 2 - offset) / (whole * target);
      this.zoom = target;
      this.at = [share(point[0], x, this.box.width, this.photo.width), share(point[1], y, this.box.height, this.photo.height)];
    }
    this.say(filled(this.texts.zoomed, {percent: Math.round(100 * (this.zoom ?? this.fitting) * devicePixelRatio)}));
    this.draw();
  }
  // Actual pixels; those of a face when the whole photo was in sight.
  showPixels() {
    const wasWhole = this.zoom === null;
    this.zoomTo(1 / devicePixelRatio);
    if (!wasWhole || this.zoom === null || !this.photo.look) return;
    this.at = [...this.photo.look];
    this.pan(0, 0);
  }
  pan(dx, dy) {
    const {x, y, wide, high} = this.laid, {width, height} = this.box;
    this.at = [(width / 2 - x - dx) / wide, (height / 2 - y - dy) / high];
    const {x: left, y: top} = this.laid;  // what the edges allow becomes where it is
    this.at = [(width / 2 - left) / wide, (height / 2 - top) / high];
    this.draw();
  }

  setLens(on) {
    this.hasLens = on;
    this.glass.hidden = !on;
    this.stage.classList.toggle('with-lens', on);
    this.$('button.lens').setAttribute('aria-pressed', String(on));
    if (!on) return;
    const {x, y, wide, high} = this.laid;
    const [across, down] = this.photo.look ?? [0.5, 0.5];
    this.lensAt ??= [x + across * wide, y + down * high];
    this.drawLens();
  }
  drawLens() {
    const {x, y, wide, high, zoom} = this.laid, shown = zoom * devicePixelRatio;
    const times = LENS_TIMES.find(each => each > shown * 1.1) ?? LENS_TIMES.at(-1), close = times / devicePixelRatio;
    this.lensAt = [clamp(this.lensAt[0], Math.max(0, x), Math.min(this.box.width, x + wide)),
      clamp(this.lensAt[1], Math.max(0, y), Math.min(this.box.height, y + high))];
    const [px, py] = this.lensAt, pane = this.$('.pane'), sight = {width: pane.clientWidth, height: pane.clientHeight};
    // Whole pixels: a lens at 100 % shows the pixels themselves and no mixture of two.
    const corner = (point, origin, length) => Math.round((length / 2 - (point - origin) / zoom * close) * devicePixelRatio) / devicePixelRatio;
    this.panes.forEach(sheet => sheet.place(corner(px, x, sight.width), corner(py, y, sight.height), close, sight));
    const size = {width: this.glass.offsetWidth, height: this.glass.offsetHeight};
    const above = py - size.height - 24;  // not under the finger
    const left = clamp(px - size.width / 2, 0, this.box.width - size.width);
    const top = above >= 0 ? above : Math.min(py + 24, this.box.height - size.height);
    this.glass.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
    this.glass.dataset.at = `${Math.round((px - x) / zoom)},${Math.round((py - y) / zoom)}`;
    const said = filled(this.texts.lensOf, {percent: 100 * times});
    this.glass.querySelector('b').textContent = `${100 * times} %`;
    this.glass.setAttribute('aria-label', said);
  }

  fillScreen() {
    if (document.fullscreenElement === this) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => this.fillWindow());
    else this.fillWindow();
  }
  fillWindow() {  // where a browser lets no element fill the screen, as on an iPhone
    this.frame.classList.toggle('filled');
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this.keys(event)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
  keys(event) {
    const target = event.composedPath()[0], arrows = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
    const [dx, dy] = arrows[event.key] ?? [0, 0], keys = {
      o: () => { this.hold(true); this.isHeldByKey = true; }, l: () => this.setLens(!this.hasLens), f: () => this.fillScreen(),
      1: () => this.zoomTo(1 / devicePixelRatio), 0: () => this.zoomTo(null),
      '+': () => this.zoomTo((this.zoom ?? this.fitting) * 1.25), '-': () => this.zoomTo((this.zoom ?? this.fitting) / 1.25),
      n: () => this.go(this.place + 1), p: () => this.go(this.place - 1)};
    if (this.frame.classList.contains('filled')) keys.Escape = () => this.fillWindow();
    if (target === this.glass && (dx || dy)) {
      keys[event.key] = () => { this.lensAt = [this.lensAt[0] + dx * LENS_STEP_PX, this.lensAt[1] + dy * LENS_STEP_PX]; this.drawLens(); };
    } else if (target === this.divider) {
      const by = step => () => this.divide(this.share + step / 100);
      if (event.shiftKey && (dx || dy)) keys[event.key] = () => this.pan(-60 * dx, -60 * dy);
      else Object.assign(keys, {
        ArrowLeft: by(-KEY_STEP), ArrowRight: by(KEY_STEP), ArrowDown: by(-KEY_STEP), ArrowUp: by(KEY_STEP),
        PageDown: by(-PAGE_STEP), PageUp: by(PAGE_STEP), Home: () => this.divide(0), End: () => this.divide(1)});
    }
    return keys;
  }

  inStage(event) {
    const frame = this.stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }
  down(event) {
    if (event.button > 0 || event.target.closest('.glass')) return;
    const point = this.inStage(event), onDivider = event.target.closest('.divider');
    this.pointers.set(event.pointerId, point);
    this.stage.setPointerCapture(event.pointerId);
    this.divider.focus({preventScroll: true});
    event.preventDefault();
    if (this.pointers.size > 1) this.drag = 'pinch';
    else if (this.hasLens && event.pointerType === 'touch') this.drag = 'lens';
    else this.drag = onDivider || this.zoom === null ? 'divide' : 'pan';
    this.moveTo(point, [0, 0]);
  }
  move(event) {
    const point = this.inStage(event), before = this.pointers.get(event.pointerId);
    if (this.hasLens && event.pointerType !== 'touch' && !event.target.closest?.('.glass')) { this.lensAt = point; this.drawLens(); }
    if (!before) return;
    if (this.drag === 'pinch') this.pinch(event.pointerId, point);
    this.pointers.set(event.pointerId, point);
    this.moveTo(point, [point[0] - before[0], point[1] - before[1]]);
  }
  moveTo(point, [dx, dy]) {
    const {left, right} = this.laid;
    if (this.drag === 'divide') this.divide((point[0] - left) / (right - left));
    else if (this.drag === 'pan') this.pan(dx, dy);
    else if (this.drag === 'lens') { this.lensAt = point; this.drawLens(); }
  }
  pinch(moved, point) {
    const other = [...this.pointers].find(([id]) => id !== moved)?.[1], before = this.pointers.get(moved);
    if (!other) return;
    const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    const times = apart(point, other) / Math.max(1, apart(before, other));
    this.zoomTo((this.zoom ?? this.fitting) * times, [(point[0] + other[0]) / 2, (point[1] + other[1]) / 2]);
  }
  up(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.drag = null;
  }
  say(text) { this.$('.said').textContent = text; }
}

customElements.define('photo-compare', PhotoCompare);

// A button with `data-copy` puts the text of the element that it names into the clipboard, and says so on itself.
document.addEventListener('click', async event => {
  const button = event.target.closest?.('[data-copy]');
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {  // no clipboard for pages that came over plain http from another machine
    getSelection().selectAllChildren(source);
    if (!document.execCommand('copy')) return;
  }
  const before = button.textContent;
  button.textContent = button.dataset.copied;
  setTimeout(() => { button.textContent = before; }, 2500);
});
