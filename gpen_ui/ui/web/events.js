// No press is lost. The answers to a page's events come over one stream, which Gradio's server ends when no event is
// left. An event that is sent before the page hears of that end finds the stream still open, opens none of its own, and
// its answer waits until some later event opens one: nothing happens to the eye. So this stands between the two: an end
// that overtook an event, or was overtaken by one, is kept from the page, and the stream is opened again behind its back.
// (Seen in Gradio 6.16 and 6.31: `open_stream` and `submit` of its client, `queue_data_helper` of its routes.py.)
{
  const ask = window.fetch.bind(window);
  const waiting = new Map();  // event -> how many ends of the stream it has seen
  const early = new Set();  // events whose answer was complete before their own request was
  let sending = 0;
  const sent = [];  // who waits until no event is on its way

  async function join(...request) {
    sending += 1;
    try {
      const answer = await ask(...request);
      const event = answer.ok ? (await answer.clone().json()).event_id : null;
      if (event && !early.delete(event)) waiting.set(event, 0);
      return answer;
    } finally {
      sending -= 1;
      if (sending === 0) sent.splice(0).forEach(go => go());
    }
  }

  // Counts an end of the stream; tells whether an event still needs it. One that was left out at two ends is not known
  // to the server any more: it was called off.
  async function countEnd() {
    if (sending > 0) await new Promise(go => sent.push(go));
    for (const [event, ends] of waiting) {
      if (ends > 0) waiting.delete(event);
      else waiting.set(event, 1);
    }
    return waiting.size > 0;
  }

  // Notes which event a message, `data: {...}`, completes; tells whether it is the end of the stream.
  function noteMessage(text) {
    if (!text.startsWith('data:')) return false;
    const {msg, event_id: event} = JSON.parse(text.slice('data:'.length));
    if (msg === 'process_completed' && !waiting.delete(event) && sending > 0) early.add(event);
    return msg === 'close_stream';
  }

  class Stream {
    constructor(request) {
      this.request = request;
    }
    async open() {
      this.rest = '';  // the beginning of a message
      const answer = await ask(...this.request);
      if (answer.ok) this.reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      return answer;
    }
    // The next message, or null at the end.
    async next() {
      for (;;) {
        const end = this.rest.indexOf('\n\n') + 2;
        if (end >= 2) {
          const text = this.rest.slice(0, end);
          this.rest = this.rest.slice(end);
          return text;
        }
        const {done, value} = await this.reader.read();
        if (done) return null;
        this.rest += value;
      }
    }
  }

  async function listen(...request) {
    const stream = new Stream(request);
    const first = await stream.open();
    if (!first.ok) return first;
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      async pull(page) {
        let text = await stream.next();
        while (text !== null && noteMessage(text)) {
          while (await stream.next() !== null);  // called off now, the server would drop what was sent meanwhile
          if (!await countEnd()) break;
          const again = await stream.open();
          if (!again.ok) throw new TypeError(`The stream of events answers ${again.status}.`);
          text = await stream.next();
        }
        if (text === null) page.close();
        else page.enqueue(encoder.encode(text));
      },
      cancel: reason => stream.reader.cancel(reason),
    });
    return new Response(body, {status: first.status, headers: first.headers});
  }

  const standIns = {'/queue/join': join, '/queue/data': listen};
  window.fetch = (resource, options) => {
    const path = new URL(resource.url ?? resource, location.href).pathname;
    const standIn = Object.keys(standIns).find(end => path.endsWith(end));
    return (standIns[standIn] ?? ask)(resource, options);
  };
}
