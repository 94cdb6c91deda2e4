// <photo-intake>: photos dropped anywhere on the page or pasted go into the field of the tab that is open, and what is
// no photo or too large is told before it is sent, in the page's language.
//
// Attributes: `fields`, ids of Gradio's file fields; `kinds`, endings of photos; `most-mb`; `texts`, JSON:
// {add, drop, kind, large, nowhere}.
const MB = 1 << 20, SAID_MS = 12000, READY_MS = 120000, LOOK_MS = 100;
const passed = new WeakSet();  // events that were looked at

class PhotoIntake extends HTMLElement {
  connectedCallback() {
    this.ending = new AbortController();
    const how = {capture: true, signal: this.ending.signal};
    this.attachShadow({mode: 'open'});
    this.shadowRoot.innerHTML = `<style>
      .over { position: fixed; inset: 12px; z-index: 900; display: grid; place-items: center; border: 3px dashed #0d9488; border-radius: 18px;
        background: rgb(15 23 32 / 78%); color: white; font-size: 1.4rem; pointer-events: none; }
      .said { margin: 0; padding: 10px 14px; border-radius: 12px; background: #fef3c7; color: #451a03; overflow-wrap: anywhere; }
      [hidden] { display: none; }</style>
      <p class="said" role="alert" hidden></p><div class="over" aria-hidden="true" hidden></div>`;
    this.over = this.shadowRoot.querySelector('.over');
    this.said = this.shadowRoot.querySelector('.said');
    document.addEventListener('dragover', event => this.drag(event), how);
    document.addEventListener('dragleave', event => { if (!event.relatedTarget) this.over.hidden = true; }, how);
    document.addEventListener('drop', event => this.drop(event), how);
    document.addEventListener('paste', event => this.paste(event), how);
    document.addEventListener('change', event => this.change(event), how);
    document.addEventListener('click', event => this.choose(event), how);
    this.changes = new MutationObserver(() => this.name());
    this.changes.observe(document.body, {childList: true, subtree: true});
  }
  disconnectedCallback() {
    this.ending.abort();
    this.changes.disconnect();
  }

  get texts() { return JSON.parse(this.getAttribute('texts')); }
  get fields() {
    return this.getAttribute('fields').split(' ').map(id => document.getElementById(id)).filter(Boolean);
  }
  // That of the tab that is open, and its file input; while photos are on their way Gradio takes the input out.
  get field() { return this.fields.find(field => field.offsetParent !== null); }
  get input() { return this.field?.querySelector('input[type=file]'); }
  async ready() {
    for (let waited = 0; this.field && waited < READY_MS; waited += LOOK_MS) {
      if (this.input) return this.input;
      await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    }
    return null;
  }

  // Gradio 6.31 puts a second button, the one that works, into the button for more files, and gives it no name; the inner
  // one is hidden (page.css), and the outer one is named and does its work.
  name() {
    for (const button of document.querySelectorAll('button[aria-label="common.upload"]')) {
      button.setAttribute('aria-label', this.texts.add);
      button.title = this.texts.add;
      button.classList.add('add-files');
    }
  }
  choose(event) {
    if (event.target.type !== 'file') event.target.closest?.('button.add-files')?.querySelector('input[type=file]')?.click();
  }

  drag(event) {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();  // else the browser would open the photo in the page's place
    this.over.textContent = this.field ? this.texts.drop : this.texts.nowhere;
    this.over.hidden = false;
  }
  drop(event) {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.over.hidden = true;
    this.take([...event.dataTransfer.files]);
  }
  paste(event) {
    const files = [...event.clipboardData?.files ?? []];
    if (!files.length || event.target.closest?.('input, textarea')) return;
    event.preventDefault();
    this.take(files.map(file => this.named(file)));
  }
  named(file) {  // pictures in a clipboard are all called image.png
    const time = new Date().toLocaleTimeString('en-GB').replaceAll(':', '-');
    return /^image\.\w+$/.test(file.name) ? new File([file], `pasted-${time}.${file.name.split('.').pop()}`, {type: file.type}) : file;
  }
  change(event) {
    const input = event.target;
    if (passed.has(event) || input.type !== 'file' || !this.fields.some(field => field.contains(input))) return;
    const files = [...input.files], good = this.judged(files);
    if (good.length === files.length) return;
    event.stopImmediatePropagation();
    if (good.length) this.hand(good, input);
    else input.value = '';
  }
  async take(files) {
    if (!this.field) { this.tell([this.texts.nowhere]); return; }
    const good = this.judged(files);
    const input = good.length ? await this.ready() : null;
    if (input) this.hand(good, input);
  }
  hand(files, input) {
    const all = new DataTransfer();
    files.forEach(file => all.items.add(file));
    input.files = all.files;
    const event = new Event('change', {bubbles: true});
    passed.add(event);
    input.dispatchEvent(event);
  }

  // Those that can be sent; about the others something is said.
  judged(files) {
    const kinds = this.getAttribute('kinds').split(' '), most = Number(this.getAttribute('most-mb')), said = [];
    const fill = (text, file) => text.replace('{name}', file.name).replace('{most}', most);
    const good = files.filter(file => {
      const isPhoto = file.type.startsWith('image/') || kinds.some(kind => file.name.toLowerCase().endsWith(kind));
      if (!isPhoto) said.push(fill(this.texts.kind, file));
      else if (file.size > most * MB) said.push(fill(this.texts.large, file));
      else return true;
      return false;
    });
    this.tell(said);
    return good;
  }
  tell(sentences) {
    clearTimeout(this.quiet);
    this.said.textContent = sentences.slice(0, 4).join(' ');
    this.said.hidden = !sentences.length;
    if (sentences.length) {
      this.said.scrollIntoView({block: 'nearest'});
      this.quiet = setTimeout(() => { this.said.hidden = true; }, SAID_MS);
    }
  }
}

customElements.define('photo-intake', PhotoIntake);
