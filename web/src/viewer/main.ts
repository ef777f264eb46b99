import { DisplayState, type Topology } from '../wire/messages';
import type { Connection, ToPage, ToWorker } from './messages';
import { fillKeyList, type Key, listenForKeys } from './page/keys';
import { MonitorMenu } from './page/monitorMenu';
import { Outlines } from './page/outlines';
import { type Action, browserTooOld, displayGone, type Scene, sceneOf } from './page/scene';
import { Stage } from './page/stage';
import { type StatisticsDocument, StatisticsWindow } from './page/statistics';
import { megabits, StatisticsPanel } from './page/statisticsPanel';
import { browserName, missingFeatures } from './page/support';
import { keepToken, readPastedLink, takeToken } from './page/token';
import type { Zoom } from './page/zoom';
import { type PresentationKind, presentationKinds } from './worker/presentation/surface';

declare global {
  /** The document of «Copy as JSON» (docs/VIEWER.md), for tests and scripts. */
  var vitrineStatistics: () => StatisticsDocument;
}

const chromeHidesAfterMs = 2_000;
const refreshMs = 500;
/** So many animation turns after drawing a canvas is seen; after so many more the browser is over a crash: while its GPU process starts it has none. */
const shownTurns = 4;
const calmTurns = 29;
/** A quick join shows no card: it would only flash. */
const noticeAfterMs = 400;

function element<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element «${id}».`);
  return found as unknown as T;
}

const root = document.documentElement;
const nowMs = (): number => performance.timeOrigin + performance.now();

const token = takeToken({ location, history, storage: sessionStorage });
const statistics = new StatisticsWindow();
const panel = new StatisticsPanel({
  panel: element('statistics'),
  total: element('statistics-total'),
  stages: element('statistics-stages'),
  note: element('statistics-note'),
  facts: element('statistics-facts'),
  video: element('statistics-video'),
  videoNote: element('statistics-video-note'),
  presentationNote: element('statistics-presentation-note'),
});
const outlines = new Outlines(element<SVGSVGElement>('outlines'));
const stage = new Stage(element('stage'), element('frame'), element('picture'), element('cursor'), showZoom);
const monitors = new MonitorMenu(
  { button: element('monitor-button'), label: element('monitor-label'), menu: element('monitor-menu') },
  monitor => send({ kind: 'select', monitor }),
);

let worker: Worker | undefined;
let connection: Connection = { state: 'connecting', waitingFor: 'answer' };
let connectionSinceMs = nowMs();
let topology: Topology | undefined;
let hostName = '';
let scene: Scene | undefined;
let isNoticeDismissed = false;
/** What the remark said when it was closed. */
let remarkClosed: string | undefined;
let announced = '';
/** Counts those that were asked for since the first. */
let canvases = 0;

function send(message: ToWorker, transfer: Transferable[] = []): void {
  worker?.postMessage(message, transfer);
}

// ---- The worker -----------------------------------------------------------------------------------------------

function start(accessToken: string): void {
  const address = (path: string): URL => {
    const url = new URL(path, location.href);
    url.hash = '';
    url.search = new URLSearchParams({ t: accessToken }).toString();
    return url;
  };
  const streamUrl = address('stream');
  streamUrl.protocol = streamUrl.protocol === 'https:' ? 'wss:' : 'ws:';
  worker = new Worker(new URL('./worker/worker.ts', import.meta.url), { type: 'module' });
  worker.addEventListener('message', (event: MessageEvent<ToPage>) => receive(event.data));
  // The worker's file is named after its content: a host that was updated meanwhile has another one.
  worker.addEventListener('error', () => {
    connection = { state: 'stopped', cause: 'versionMismatch', text: 'A part of this page did not load.' };
    render();
  });
  const canvas = element<HTMLCanvasElement>('picture').transferControlToOffscreen();
  const present = presentationNamed(new URL(location.href).searchParams.get('present'));
  element<HTMLSelectElement>('presentation').value = present ?? '';
  send({
    kind: 'start',
    canvas,
    streamUrl: streamUrl.href,
    healthUrl: address('healthz').href,
    viewerName: browserName(),
    isHidden: document.hidden,
    present,
  }, [canvas]);
  document.addEventListener('visibilitychange', () => send({ kind: 'visibility', isHidden: document.hidden }));
}

/** The compositor has what the worker drew after `shownTurns`. The page's turns: a worker may get none any more after a crash. */
function awaitTurns(canvas: number, turn = 0): void {
  requestAnimationFrame(() => {
    if (canvas !== canvases) return;
    if (turn === shownTurns) stage.showNextPicture();
    if (turn === calmTurns) send({ kind: 'calm' });
    else awaitTurns(canvas, turn + 1);
  });
}

function receive(message: ToPage): void {
  switch (message.kind) {
    case 'connection':
      // Attempts that follow each other are one wait, not several.
      if (message.connection.state !== 'connecting' || connection.state === 'live') connectionSinceMs = nowMs();
      connection = message.connection;
      render();
      break;
    case 'host':
      hostName = message.name;
      element('host').textContent = hostName;
      break;
    case 'topology':
      if (message.topology.state !== topology?.state) isNoticeDismissed = false;
      topology = message.topology;
      monitors.setTopology(topology);
      element('source').textContent = topology.source;
      element('source').hidden = monitors.hasChoice;
      element('separator').hidden = hostName === '' || (topology.source === '' && !monitors.hasChoice);
      element('picture').setAttribute('aria-label', `${topology.source || 'The screen'} of ${hostName || 'the host'}, live`);
      render();
      break;
    case 'view':
      stage.setView(message.view);
      outlines.setView(message.view);
      break;
    case 'canvasWanted': {
      canvases++;
      const fresh = stage.addNextPicture().transferControlToOffscreen();
      send({ kind: 'canvas', canvas: fresh }, [fresh]);
      break;
    }
    case 'canvasDrawn': awaitTurns(canvases); break;
    case 'presentation':
      statistics.setPresentation(message.figures);
      panel.update(globalThis.vitrineStatistics());
      break;
    case 'video':
      statistics.setVideo(message.status);
      render();
      break;
    case 'outlines': outlines.show(message.regions, message.refined); break;
    case 'cursorShape': stage.setCursorShape(message); break;
    case 'cursorPosition': stage.setCursorPosition(message.x, message.y); break;
    case 'samples':
      statistics.add(message.samples, message.bytesReceived, message.roundTripMs, nowMs());
      break;
    case 'hostStatistics': statistics.addHost(message.statistics); break;
  }
}

// ---- What is going on, in words ---------------------------------------------------------------------------------

function currentScene(): Scene {
  const host = hostName || location.host;
  // A host without a display has no first picture to wait for.
  if (connection.state === 'connecting' && connection.waitingFor === 'picture' && topology?.state === DisplayState.DisplayGone) {
    return displayGone(host);
  }
  return sceneOf({
    connection,
    display: topology?.state,
    host,
    source: topology?.source ?? '',
    behindMs: statistics.behindMs(nowMs()),
    wasCatchingUp: scene?.state === 'catchingUp',
    whyNoVideo: statistics.whyNoVideo,
  });
}

function render(next: Scene = currentScene()): void {
  if (next.state !== scene?.state) {
    isNoticeDismissed = false;
    // Hidden by choice while all was well; what is wrong must be seen.
    if (next.mood !== 'good' && next.mood !== 'busy') element('pill').hidden = false;
  }
  scene = next;
  root.dataset['state'] = scene.state;
  root.dataset['mood'] = scene.mood;
  renderNotice(scene);
  renderRemark(scene);
  renderPill(scene);
  const what = [topology?.source, hostName].filter(Boolean).join(' on ') || 'Vitrine';
  document.title = scene.state === 'live' ? `${what} – Vitrine` : `${capital(scene.word)} · ${what} – Vitrine`;
  const words = scene.remark && scene.state === 'live' ? `Live. ${scene.remark.detail}` : scene.notice ? `${scene.notice.title}. ${scene.notice.detail}` : scene.state === 'live' ? 'Live' : capital(scene.state === 'catchingUp' ? 'catching up' : scene.word);
  if (words !== announced) {
    announced = words;
    element('announcement').textContent = words;
  }
}

function renderNotice({ state, notice }: Scene): void {
  const isEarly = state === 'connecting' && nowMs() - connectionSinceMs < noticeAfterMs;
  const isShown = notice !== undefined && !isEarly && !isNoticeDismissed;
  root.toggleAttribute('data-dimmed', isShown);
  element('notice').hidden = !isShown;
  if (!notice || !isShown) return;
  setText('notice-title', notice.title);
  setText('notice-detail', notice.detail);
  const isPaste = notice.action === 'paste';
  element('notice-form').hidden = !isPaste;
  const button = element('notice-button');
  button.hidden = isPaste;
  setText('notice-button', notice.actionLabel);
  button.dataset['action'] = notice.action;
  const countdown = element('notice-countdown');
  countdown.hidden = connection.state !== 'retrying';
  if (connection.state === 'retrying') {
    const leftMs = Math.max(0, connectionSinceMs + connection.retryAfterMs - nowMs());
    setText('notice-countdown', `next try in ${Math.max(1, Math.ceil(leftMs / 1_000))} s`);
  }
}

/** Beside the picture and in the way of nothing; it stays until it is closed, or is not true any more. */
function renderRemark({ remark }: Scene): void {
  if (remark?.detail !== remarkClosed) remarkClosed = undefined;
  element('remark').hidden = remark === undefined || remarkClosed !== undefined;
  setText('remark-text', remark?.detail ?? '');
}

function closeRemark(): void {
  remarkClosed = scene?.remark?.detail;
  render();
  element('stage').focus();
}

function renderPill({ state, word, remark }: Scene): void {
  const isMoving = state === 'live' || state === 'catchingUp';
  setText('pill-state', word);
  setText('pill-remark', remark?.word ?? '');
  element('pill-remark').title = remark?.detail ?? '';
  const framesPerSecond = statistics.framesPerSecond(nowMs());
  setText('pill-figures', !isMoving
    ? ''
    : framesPerSecond === 0 ? 'still' : `${framesPerSecond}/s · ${megabits(statistics.megabitsPerSecond(nowMs()))} Mbit/s`);
}

function setText(id: string, text: string): void {
  const target = element(id);
  if (target.textContent !== text) target.textContent = text;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

globalThis.vitrineStatistics = () => statistics.document(
  {
    state: scene?.state ?? 'connecting',
    host: hostName,
    source: topology?.source ?? '',
    picture: { width: topology?.width ?? 0, height: topology?.height ?? 0 },
  },
  nowMs(),
);

// ---- What the person does ---------------------------------------------------------------------------------------

function act(action: Action): void {
  switch (action) {
    case 'reconnect': send({ kind: 'reconnect' }); break;
    case 'refresh': send({ kind: 'refresh' }); break;
    case 'reload': location.reload(); break;
    case 'dismiss':
      isNoticeDismissed = true;
      render();
      element('stage').focus();
      break;
    case 'copyAddress': void copy(location.href, element('notice-button'), 'Copied'); break;
    case 'paste': break;
  }
}

async function copy(text: string, button: HTMLElement, done: string): Promise<void> {
  const label = button.textContent;
  let isDone: boolean;
  try {
    await navigator.clipboard.writeText(text);
    isDone = true;
  } catch {
    // No clipboard outside secure contexts (a plain http:// address): the old way works there.
    const field = document.createElement('textarea');
    field.className = 'visually-hidden';
    field.value = text;
    document.body.append(field);
    field.select();
    isDone = document.execCommand('copy');
    field.remove();
    button.focus();
  }
  button.textContent = isDone ? done : 'Copying is not allowed here';
  setTimeout(() => { button.textContent = label; }, 1_500);
}

function showZoom(zoom: Zoom): void {
  for (const name of ['actual', 'fit', 'fill'] as const) element(`zoom-${name}`).setAttribute('aria-pressed', String(zoom === name));
}

function toggleFullScreen(): void {
  // Refused without a gesture or by an embedding page's policy: there is nothing to mend from here.
  if (document.fullscreenElement) void document.exitFullscreen();
  else void root.requestFullscreen?.({ navigationUI: 'hide' }).catch(() => setText('announcement', 'Full screen is not allowed here'));
}

function toggleStatistics(isOpen: boolean = !panel.isOpen): void {
  panel.setOpen(isOpen);
  element('statistics-button').setAttribute('aria-pressed', String(isOpen));
  root.toggleAttribute('data-statistics', isOpen);
  panel.update(globalThis.vitrineStatistics());
}

function toggleOutlines(): void {
  outlines.setOn(!outlines.isOn);
  element('outlines-button').setAttribute('aria-pressed', String(outlines.isOn));
  send({ kind: 'outlines', isOn: outlines.isOn });
}

function presentationNamed(name: string | null): PresentationKind | undefined {
  return presentationKinds.find(kind => kind === name);
}

function choosePresentation(): void {
  const present = presentationNamed(element<HTMLSelectElement>('presentation').value);
  // In the address too, so that it survives a reload.
  const url = new URL(location.href);
  if (present) url.searchParams.set('present', present);
  else url.searchParams.delete('present');
  history.replaceState(null, '', url.href);
  send({ kind: 'present', present });
}

function togglePill(): void {
  element('pill').hidden = !element('pill').hidden;
}

const keysDialog = element<HTMLDialogElement>('keys');

const keyTable: readonly Key[] = [
  { keys: ['1'], shown: '1', does: '1:1, one picture pixel is one pixel here', run: () => stage.setZoom('actual') },
  { keys: ['2'], shown: '2', does: 'Fit, all of the picture', run: () => stage.setZoom('fit') },
  { keys: ['3'], shown: '3', does: 'Fill, no empty edges', run: () => stage.setZoom('fill') },
  { keys: ['+', '='], shown: '+', does: 'Larger', run: () => stage.zoomBy(1.25) },
  { keys: ['-'], shown: '−', does: 'Smaller', run: () => stage.zoomBy(0.8) },
  { keys: ['ArrowLeft'], shown: '← → ↑ ↓', does: 'Move a picture larger than the window', run: () => stage.panBySteps(-1, 0) },
  { keys: ['f'], shown: 'f', does: 'Full screen', run: toggleFullScreen },
  { keys: ['m'], shown: 'm', does: 'Choose the screen', run: () => { showChrome(); monitors.toggle(); } },
  { keys: ['i'], shown: 'i', does: 'Statistics', run: () => toggleStatistics() },
  { keys: ['o'], shown: 'o', does: 'Outline what is sent as video', run: toggleOutlines },
  { keys: ['p'], shown: 'p', does: 'Status at the bottom left', run: togglePill },
  { keys: ['r'], shown: 'r', does: 'Ask for everything again', run: () => act(connection.state === 'live' ? 'refresh' : 'reconnect') },
  { keys: ['?'], shown: '?', does: 'These keys', run: () => keysDialog.showModal() },
  { keys: ['Escape'], shown: 'Esc', does: 'Close what is open', run: closeTopmost },
];
const silentKeys: readonly Key[] = [
  { keys: ['ArrowRight'], shown: '', does: '', run: () => stage.panBySteps(1, 0) },
  { keys: ['ArrowUp'], shown: '', does: '', run: () => stage.panBySteps(0, -1) },
  { keys: ['ArrowDown'], shown: '', does: '', run: () => stage.panBySteps(0, 1) },
];

function closeTopmost(): void {
  if (monitors.isOpen) monitors.close(true);
  else if (panel.isOpen) toggleStatistics(false);
  else hideChrome();
}

// The bar goes when it is not used, and comes with the pointer or the focus.
let chromeTimer: ReturnType<typeof setTimeout> | undefined;

function hideChrome(): void {
  clearTimeout(chromeTimer);
  root.dataset['chrome'] = 'hidden';
}

function showChrome(): void {
  root.dataset['chrome'] = 'shown';
  clearTimeout(chromeTimer);
  chromeTimer = setTimeout(() => {
    if (monitors.isOpen || element('bar').matches(':hover, :has(:focus-visible)')) showChrome();
    else hideChrome();
  }, chromeHidesAfterMs);
}

function listen(): void {
  for (const name of ['actual', 'fit', 'fill'] as const) {
    element(`zoom-${name}`).addEventListener('click', () => stage.setZoom(name));
  }
  element('full-screen-button').addEventListener('click', toggleFullScreen);
  document.addEventListener('fullscreenchange', () => {
    element('full-screen-button').setAttribute('aria-pressed', String(document.fullscreenElement !== null));
  });
  element('statistics-button').addEventListener('click', () => toggleStatistics());
  element('outlines-button').addEventListener('click', toggleOutlines);
  element('presentation').addEventListener('change', choosePresentation);
  element('statistics-close').addEventListener('click', () => {
    toggleStatistics(false);
    element('statistics-button').focus();
  });
  element('statistics-copy').addEventListener('click', () => {
    void copy(JSON.stringify(globalThis.vitrineStatistics(), null, 2), element('statistics-copy'), 'Copied');
  });
  element('keys-button').addEventListener('click', () => keysDialog.showModal());
  element('keys-close').addEventListener('click', () => keysDialog.close());
  keysDialog.addEventListener('click', event => {
    if (event.target === keysDialog) keysDialog.close();
  });
  element('pill-close').addEventListener('click', togglePill);
  element('remark-close').addEventListener('click', closeRemark);
  element('notice-button').addEventListener('click', () => act(element('notice-button').dataset['action'] as Action));
  element('notice-form').addEventListener('submit', event => {
    event.preventDefault();
    const field = element<HTMLInputElement>('link');
    const link = readPastedLink(field.value, location.href);
    if (!link) {
      field.setAttribute('aria-invalid', 'true');
      setText('notice-detail', 'That is not a link of a shared screen: it starts with http and ends with ?t= and a key.');
      field.focus();
    } else if ('open' in link) {
      location.href = link.open;
    } else {
      keepToken(sessionStorage, link.token);
      location.reload();
    }
  });
  for (const type of ['pointermove', 'pointerdown', 'focusin'] as const) addEventListener(type, showChrome);
  fillKeyList(element('key-list'), keyTable);
  listenForKeys([...keyTable, ...silentKeys], () => keysDialog.open);
}

function begin(): void {
  listen();
  showChrome();
  element('separator').hidden = true;
  const missing = missingFeatures();
  if (missing.length > 0) {
    for (const feature of missing) {
      const item = document.createElement('li');
      item.textContent = feature;
      element('notice-list').append(item);
    }
    element('notice-list').hidden = false;
    render(browserTooOld());
    return;
  }
  if (token === null) {
    connection = { state: 'stopped', cause: 'noAccess', text: '' };
    render();
    return;
  }
  start(token);
  // One clock for all that changes by itself: countdown, rates, statistics.
  setInterval(() => {
    if (document.hidden) return;
    render();
    panel.update(globalThis.vitrineStatistics());
  }, refreshMs);
  setTimeout(() => render(), noticeAfterMs + 10);
}

begin();
