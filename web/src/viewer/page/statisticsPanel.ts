import { stageNames, type StatisticsDocument } from './statistics';

const explanations: Record<(typeof stageNames)[number], string> = {
  capture: 'From the change on the host to its pixels in memory',
  encode: 'Until the frame was coded',
  network: 'Until its last byte was here: waiting to be sent, the way, waiting to be read',
  decode: 'Until its pixels were in this page’s memory',
  show: 'Until the canvas was handed to the browser’s compositor',
};

interface Elements {
  readonly panel: HTMLElement;
  readonly total: HTMLElement;
  readonly stages: HTMLElement;
  readonly note: HTMLElement;
  readonly facts: HTMLElement;
  readonly video: HTMLElement;
  readonly videoNote: HTMLElement;
  readonly presentationNote: HTMLElement;
}

interface Row {
  readonly row: HTMLElement;
  readonly bar: HTMLElement;
  readonly cells: readonly HTMLElement[];
}

const factNames = ['Frames', 'Stream', 'Received', 'Merged', 'Round trip', 'Viewers', 'Picture', 'Host CPU'] as const;
const videoFactNames = ['Regions', 'Drawn', 'Decoder', 'Waits', 'Resets', 'Key frames'] as const;
const videoExplanations: Record<(typeof videoFactNames)[number], string> = {
  Regions: 'Rectangles of the picture that are sent as video now',
  Drawn: 'Decoded and drawn in the last second',
  Decoder: 'Profile and level of the stream',
  Waits: 'What frames wait for each other, so that the network’s jitter does not show',
  Resets: 'Decoder errors, each mended with a key frame',
  'Key frames': 'Asked for by this viewer',
};

const presentationNames = { webgpu: 'WebGPU', webgl2: 'WebGL2', canvas2d: 'Canvas 2D' } as const;

/** Stages of latency as bars on one scale: the longest stands out, because it is the one to look into. */
export class StatisticsPanel {
  readonly #elements: Elements;
  readonly #rows: Record<string, Row>;
  readonly #facts: Record<string, HTMLElement>;
  readonly #videoFacts: Record<string, HTMLElement>;

  constructor(elements: Elements) {
    this.#elements = elements;
    this.#rows = Object.fromEntries([...stageNames, 'total'].map(name => [name, this.#addRow(name)]));
    this.#facts = Object.fromEntries(factNames.map(name => [name, addFact(elements.facts, name)]));
    this.#videoFacts = Object.fromEntries(videoFactNames.map(name => [name, addFact(elements.video, name, videoExplanations[name])]));
  }

  get isOpen(): boolean {
    return !this.#elements.panel.hidden;
  }

  setOpen(isOpen: boolean): void {
    this.#elements.panel.hidden = !isOpen;
  }

  #addRow(name: string): Row {
    const row = document.createElement('tr');
    row.className = name === 'total' ? 'stage-row total' : 'stage-row';
    const head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    if (name !== 'total') head.title = explanations[name as keyof typeof explanations];
    const barCell = document.createElement('td');
    barCell.className = 'bar-column';
    barCell.setAttribute('aria-hidden', 'true');
    const bar = document.createElement('span');
    bar.className = 'stage-bar';
    if (name !== 'total') barCell.append(bar);
    const cells = ['p50', 'p95', 'p99'].map(() => document.createElement('td'));
    row.append(head, barCell, ...cells);
    this.#elements.stages.append(row);
    return { row, bar, cells };
  }

  update(statistics: StatisticsDocument): void {
    if (!this.isOpen) return;
    const { stages } = statistics;
    this.#elements.total.textContent = milliseconds(stages.total?.p50);
    const medians = stageNames.map(name => stages[name]?.p50 ?? 0);
    const longest = Math.max(...medians);
    for (const name of [...stageNames, 'total' as const]) {
      const { row, bar, cells } = this.#rows[name];
      const figures = stages[name];
      [figures?.p50, figures?.p95, figures?.p99].forEach((value, index) => { cells[index].textContent = milliseconds(value); });
      if (name === 'total') continue;
      const median = figures?.p50 ?? 0;
      row.classList.toggle('longest', longest > 0 && median === longest);
      bar.style.width = longest > 0 ? `${Math.max(1.5, median / longest * 100)}%` : '0';
    }
    this.#elements.note.textContent = statistics.framesTimed === 0
      ? 'Nothing has changed in the last 10 seconds.'
      : `Over ${statistics.framesTimed} frames of the last 10 seconds.`;

    const facts: Record<(typeof factNames)[number], [string, string]> = {
      Frames: [String(statistics.framesPerSecond), '/s'],
      Stream: [megabits(statistics.megabitsPerSecond), 'Mbit/s'],
      Received: bytes(statistics.bytesReceived),
      Merged: [String(statistics.framesMerged), statistics.framesMerged === 1 ? 'frame' : 'frames'],
      'Round trip': [milliseconds(statistics.roundTripMs), 'ms'],
      Viewers: [statistics.viewers === null ? '–' : String(statistics.viewers), ''],
      Picture: [`${statistics.picture.width} × ${statistics.picture.height}`, ''],
      'Host CPU': statistics.hostCpuCores === null ? ['–', ''] : [(statistics.hostCpuCores * 100).toFixed(0), '% of a core'],
    };
    for (const name of factNames) setFact(this.#facts[name], facts[name]);
    this.#updateVideo(statistics);
  }

  #updateVideo({ video, presentation }: StatisticsDocument): void {
    const { videoNote, presentationNote, video: list } = this.#elements;
    const facts: Record<(typeof videoFactNames)[number], [string, string]> = {
      Regions: [String(video.regions), ''],
      Drawn: [String(video.framesPerSecond), '/s'],
      Decoder: [video.codec === '' ? '–' : video.codec, ''],
      Waits: [milliseconds(video.jitterDepthMs), 'ms'],
      Resets: [String(video.resets), ''],
      'Key frames': [String(video.keyFramesAsked), ''],
    };
    for (const name of videoFactNames) setFact(this.#videoFacts[name], facts[name]);
    list.hidden = !video.isDecoded;
    videoNote.hidden = video.isDecoded;
    videoNote.textContent = video.reason === '' ? '' : `${video.reason}.`;
    presentationNote.textContent = presentation === null ? '' : sentenceOf(presentation);
  }
}

function sentenceOf({ kind, reason, losses, lastLoss }: NonNullable<StatisticsDocument['presentation']>): string {
  const lost = losses === 0 ? '' : ` Lost and made anew ${losses === 1 ? 'once' : `${losses} times`}: ${lastLoss}.`;
  return `${presentationNames[kind]}: ${reason}.${lost}`;
}

function addFact(list: HTMLElement, name: string, explanation = ''): HTMLElement {
  const pair = document.createElement('div');
  const term = document.createElement('dt');
  term.textContent = name;
  pair.title = explanation;
  const value = document.createElement('dd');
  pair.append(term, value);
  list.append(pair);
  return value;
}

function setFact(fact: HTMLElement, [figure, unitText]: [string, string]): void {
  const unit = document.createElement('span');
  unit.className = 'unit';
  unit.textContent = unitText;
  fact.replaceChildren(figure, unitText ? ' ' : '', unit);
}

export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return value.toFixed(value < 99.95 ? 1 : 0);
}

export function megabits(value: number): string {
  return value >= 99.5 ? value.toFixed(0) : value.toFixed(1);
}

export function bytes(value: number): [string, string] {
  if (value >= 1e9) return [(value / 1e9).toFixed(1), 'GB'];
  if (value >= 1e6) return [(value / 1e6).toFixed(1), 'MB'];
  return [(value / 1e3).toFixed(0), 'kB'];
}
