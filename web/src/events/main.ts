import { fillKeyList, type Key, listenForKeys } from '../viewer/page/keys';
import { keepToken, readPastedLink, takeToken } from '../viewer/page/token';
import { Chart, type ChartData } from './chart';
import { localText, moment } from './clock';
import { answerOf, bitRate, FigureBoard, milliseconds, type Point, whole } from './figures';
import { type Filters, isLive, readFilters, spanOf, type Topic, topicNames, writeFilters } from './filters';
import { Feed, save } from './feed';
import { type HeldEvent, HeldEvents } from './held';
import type { Api } from './lines';
import { type KeptEvent, type OpenAlert, timeOf } from './messages';
import { Timeline } from './timeline';
import { mendNames, noAccess, type State, type Trouble, troubleOf } from './trouble';

/** Events in the page: some megabytes. What is older is asked for when it is wanted. */
const heldMax = 5_000;
const savedMax = 100_000;
const alertsShownMax = 3;
/** A search begins when nobody types any more. */
const typingPauseMs = 250;

function element<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element «${id}».`);
  return found as unknown as T;
}

const root = document.documentElement;
const token = takeToken({ location, history, storage: sessionStorage });
let api: Api | undefined = token === null ? undefined : { base: location.href, token };
let filters = readFilters(new URLSearchParams(location.search));
let feed: Feed | undefined;
let trouble: Trouble | undefined;
let nextTryMs: number | undefined;
let isLoaded = false;
let isPaused = false;
/** There are more before the oldest that is held. */
let hasOlder = false;
/** Alerts that were said; undefined before the first figures, which are no news. */
let toldAlerts: Set<string> | undefined;

const held = new HeldEvents(heldMax);
const board = new FigureBoard();
const timeline = new Timeline({ list: element('list'), rows: element('rows'), sizer: element('sizer') }, held, showDetails);
const charts = {
  viewers: new Chart('Viewers', whole),
  latency: new Chart('Latency', milliseconds),
  sent: new Chart('Sent', bitRate),
  alerts: new Chart('Alerts raised', whole),
};
element('charts').append(...Object.values(charts).map(chart => chart.element));

const keysDialog = element<HTMLDialogElement>('keys');
const details = element<HTMLDialogElement>('details');
const field = (id: string): HTMLInputElement => element<HTMLInputElement>(id);

// ---- What comes -----------------------------------------------------------------------------------------------

function begin(continues = false): void {
  feed?.stop();
  feed = undefined;
  element('note').textContent = '';
  if (!api) {
    trouble = noAccess;
    render();
    return;
  }
  if (!continues) {
    held.clear();
    board.clear();
    toldAlerts = undefined;
    [isLoaded, isPaused, hasOlder, trouble, nextTryMs] = [false, false, false, undefined, undefined];
    timeline.toTop();
  }
  feed = new Feed(api, filters, {
    ends: () => held.ends,
    limit: heldMax,
    events: lines => {
      timeline.update(held.add(lines), Date.now());
      renderCount();
    },
    loaded: count => {
      isLoaded = true;
      hasOlder = count >= heldMax;
      render();
    },
    figures: figures => {
      board.add(figures);
      tellAlerts(figures.alerts);
      renderFigures();
    },
    trouble: (what, whenMs) => {
      [trouble, nextTryMs] = [what, whenMs];
      render();
    },
  }, location.host);
  feed.start(continues);
  render();
}

/** Only what is new is said, and only of alerts: everything else would be a stream of words. */
function tellAlerts(alerts: readonly OpenAlert[]): void {
  const now = new Map(alerts.map(alert => [`${alert.since} ${alert.message}`, alert.message]));
  const fresh = toldAlerts ? [...now].filter(([name]) => !toldAlerts!.has(name)).map(([, message]) => message) : [];
  toldAlerts = new Set(now.keys());
  if (fresh.length > 0) say(fresh.length === 1 ? `New alert: ${fresh[0]}` : `${fresh.length} new alerts. ${fresh[0]}`);
}

function say(text: string): void {
  element('announcement').textContent = text;
}

/** What became of saving: for eyes too. */
function note(text: string): void {
  say(text);
  element('note').textContent = text;
}

// ---- What is shown --------------------------------------------------------------------------------------------

function stateNow(): State {
  if (trouble) return trouble.state;
  if (isPaused) return 'paused';
  if (!isLoaded) return 'connecting';
  return isLive(filters) ? 'live' : 'past';
}

const stateWords: Partial<Record<State, string>> = { connecting: 'connecting', live: 'live', paused: 'paused', past: 'what was', hostGone: 'host gone', busy: 'waiting' };

function render(): void {
  const state = stateNow();
  root.dataset['state'] = state;
  element('status').textContent = stateWords[state] ?? 'stopped';
  element('trouble').hidden = trouble === undefined;
  if (trouble) {
    element('trouble-title').textContent = trouble.title;
    element('trouble-detail').textContent = `${trouble.detail}${nextTryMs === undefined ? '' : ` Next try in ${Math.max(0, Math.ceil((nextTryMs - Date.now()) / 1_000))} s.`}`;
    element('trouble-form').hidden = trouble.mend !== 'paste';
    const isShortest = trouble.mend === 'shorter' && filters.since === '15m' && isLive(filters);
    element('trouble-button').hidden = trouble.mend === 'paste' || isShortest;
    element('trouble-button').textContent = mendNames[trouble.mend];
  }
  const isNothing = trouble !== undefined && held.count === 0 && board.stepSeconds === 0;
  for (const id of ['figures', 'timeline']) element(id).hidden = isNothing;
  element('filters').hidden = isNothing && ['noAccess', 'viewOnly', 'eventsOff'].includes(state);
  for (const id of ['pause', 'tables', 'save-lines', 'save-table']) element<HTMLButtonElement>(id).disabled = isNothing;
  element('pause').hidden = !isLive(filters);
  element('pause').setAttribute('aria-pressed', String(isPaused));
  renderFilters();
  renderFigures();
  renderCount();
}

function renderCount(): void {
  const isEmpty = isLoaded && held.count === 0 && !trouble;
  element('count').textContent = held.count === 0 ? '' : `${whole(held.count)} ${held.count === 1 ? 'event' : 'events'}${hasOlder ? ', the newest of more' : ''}`;
  element('older').hidden = !hasOlder;
  element('newest').hidden = isLive(filters) && timeline.isAtTop;
  element('empty').hidden = !isEmpty;
  element('list').hidden = held.count === 0;
  if (!isEmpty) return;
  const isSearch = filters.text !== '' || filters.host !== '';
  element('empty-text').textContent = isSearch ? 'Nothing that happened in this time is as you search for it.' : 'Nothing happened in this time. What comes is shown here.';
  const button = element('empty-button');
  button.hidden = !isSearch && filters.since === '30d';
  button.textContent = isSearch ? 'Search everything' : 'Look at the last 30 days';
}

function renderFigures(): void {
  const nowMs = board.nowMs || Date.now();
  const { fromMs, toMs } = spanOf(filters, nowMs);
  board.forgetBefore(fromMs);
  const points = board.points(fromMs, toMs);
  if (board.stepSeconds > 0) element('answer').textContent = answerOf(points, board.hostCount, board.alertCount, isLive(filters));
  document.title = `${board.alertCount > 0 ? `(${board.alertCount}) ` : ''}Events · Vitrine`;
  renderAlerts();
  if (board.stepSeconds === 0) return;
  const data = (...series: ChartData['series']): ChartData =>
    ({ times: points.map(point => point.atMs), stepMs: board.stepSeconds * 1_000, fromMs, toMs: Math.min(toMs, nowMs), series });
  const values = (of: (point: Point) => number | undefined): (number | undefined)[] => points.map(of);
  const viewers = values(point => point.viewers);
  charts.viewers.show(data({ name: 'viewers', style: 'first', values: viewers }), ...saidOf(viewers, whole));
  const p99 = values(point => point.p99Ms);
  const p50 = values(point => point.p50Ms);
  const lateness = p99.findLast(value => value !== undefined);
  charts.latency.show(
    data({ name: 'p99', style: 'second', values: p99 }, { name: 'p50', style: 'first', values: p50 }),
    lateness === undefined ? '–' : `p99 ${milliseconds(lateness)}`,
    lateness === undefined ? 'no frames were timed' : `99 of 100 frames ${saidOf(p99, milliseconds)[1]}; half of them ${saidOf(p50, milliseconds)[1]}`,
  );
  const sent = values(point => point.bitsPerSecond);
  charts.sent.show(data({ name: 'sent', style: 'first', values: sent }), ...saidOf(sent, bitRate));
  const raised = points.map(point => point.alerts);
  const all = raised.reduce((sum, count) => sum + count, 0);
  charts.alerts.show(data({ name: 'alerts', style: 'bars', values: raised }), whole(all), all === 0 ? 'none' : `${whole(all)} in this time`);
  const names = element('hosts');
  if (names.childElementCount !== board.hosts.length) {
    names.replaceChildren(...board.hosts.map(host => new Option(host.hostName, host.hostName)));
  }
}

/** The newest figure; and the newest and the most, in words. */
function saidOf(values: readonly (number | undefined)[], format: (value: number) => string): [string, string] {
  const told = values.filter(value => value !== undefined);
  if (told.length === 0) return ['–', 'nothing was told'];
  return [format(told.at(-1)!), `${format(told.at(-1)!)} at the end, ${format(Math.max(...told))} at most`];
}

function renderAlerts(): void {
  const list = element('alerts');
  const shown = board.alerts.slice(0, alertsShownMax);
  list.hidden = shown.length === 0;
  list.replaceChildren(...shown.map(alert => item(`${moment(timeOf(alert.since), Date.now())}  ${alert.message}`)));
  if (board.alertCount <= shown.length) return;
  const more = item(`and ${whole(board.alertCount - shown.length)} more`);
  more.className = 'more';
  list.append(more);
}

function item(text: string): HTMLElement {
  const made = document.createElement('li');
  made.textContent = text;
  return made;
}

// ---- One event ------------------------------------------------------------------------------------------------

function showDetails(event: HeldEvent): void {
  const kept = JSON.parse(event.line) as KeptEvent;
  element('details-title').textContent = event.text;
  element('details-facts').replaceChildren(...([
    ['Time', new Date(event.atMs).toISOString()], ['Topic', event.topic], ['Host', event.host || '–'], ['Position', event.position],
  ] as const).map(([name, value]) => {
    const pair = document.createElement('div');
    const [term, meaning] = [document.createElement('dt'), document.createElement('dd')];
    [term.textContent, meaning.textContent] = [name, value];
    pair.append(term, meaning);
    return pair;
  }));
  element('details-json').textContent = JSON.stringify(kept.event ?? kept, null, 2);
  element('details-copy').onclick = () => {
    void navigator.clipboard.writeText(event.line).then(() => say('Copied.'), () => say('The browser does not let this page copy.'));
  };
  details.showModal();
}

// ---- What is searched for -------------------------------------------------------------------------------------

/** `isStep`: the way back leads to what was before. */
function setFilters(change: Partial<Filters>, isStep = true): void {
  const next = { ...filters, ...change };
  const query = writeFilters(next);
  if (query === writeFilters(filters)) return;
  filters = next;
  const url = new URL(location.href);
  url.search = query;
  if (isStep) history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  begin();
}

/** `isForced`: over what somebody types, too. */
function renderFilters(isForced = false): void {
  const range = element<HTMLSelectElement>('range');
  const isNamed = filters.until === '' && [...range.options].some(option => option.value === filters.since);
  range.value = isNamed ? filters.since : '';
  element('times').hidden = isNamed;
  const { fromMs, toMs } = spanOf(filters, Date.now());
  const values = { since: localText(fromMs), until: filters.until === '' ? '' : localText(toMs), host: filters.host, text: filters.text };
  for (const [id, value] of Object.entries(values)) if (isForced || document.activeElement !== field(id)) field(id).value = value;
  for (const box of element('topics').querySelectorAll('input')) box.checked = filters.topics.includes(box.value as Topic);
}

function listenForFilters(): void {
  element('filters').addEventListener('submit', event => event.preventDefault());
  let typing: ReturnType<typeof setTimeout> | undefined;
  let isFirst = true;
  const search = (): void => {
    clearTimeout(typing);
    const text = field('text').value.trim();
    if (text === filters.text) return;
    setFilters({ text }, isFirst);
    isFirst = false;
  };
  field('text').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(search, typingPauseMs);
  });
  field('text').addEventListener('change', search);
  field('text').addEventListener('focus', () => isFirst = true);
  field('host').addEventListener('change', () => setFilters({ host: field('host').value.trim() }));
  element<HTMLSelectElement>('range').addEventListener('change', event => {
    const since = (event.target as HTMLSelectElement).value;
    if (since !== '') setFilters({ since, until: '' });
    else {
      const nowMs = Date.now();
      setFilters({ since: new Date(spanOf(filters, nowMs).fromMs).toISOString(), until: new Date(nowMs).toISOString() });
    }
  });
  for (const id of ['since', 'until'] as const) {
    field(id).addEventListener('change', () => {
      const at = new Date(field(id).value);
      if (!Number.isNaN(at.getTime())) setFilters({ [id]: at.toISOString() });
      else if (id === 'until') setFilters({ until: '' });
    });
  }
  for (const topic of topicNames) {
    const label = document.createElement('label');
    label.className = 'topic-choice';
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.value = topic;
    label.append(box, topic);
    element('topics').append(label);
    box.addEventListener('change', () => {
      const topics = topicNames.filter(name => name === topic ? box.checked : filters.topics.includes(name));
      // None would be all: the last one stays.
      if (topics.length === 0) box.checked = true;
      else setFilters({ topics });
    });
  }
  addEventListener('popstate', () => {
    filters = readFilters(new URLSearchParams(location.search));
    renderFilters(true);
    begin();
  });
}

// ---- What is done ---------------------------------------------------------------------------------------------

function togglePause(): void {
  if (!isLive(filters) || !api) return;
  isPaused = !isPaused;
  if (isPaused) {
    feed?.stop();
    [trouble, nextTryMs] = [undefined, undefined];
    render();
  } else {
    begin(true);
  }
}

function toggleTables(): void {
  const isTable = element('tables').getAttribute('aria-pressed') !== 'true';
  element('tables').setAttribute('aria-pressed', String(isTable));
  for (const chart of Object.values(charts)) chart.setTable(isTable);
}

function showNewest(): void {
  if (!isLive(filters)) setFilters({ since: readFilters(new URLSearchParams()).since, until: '' });
  timeline.toTop();
  renderCount();
}

function showOlder(): void {
  const oldest = held.oldest;
  if (oldest) setFilters({ since: new Date(spanOf(filters, Date.now()).fromMs).toISOString(), until: oldest.taken });
}

function mend(): void {
  switch (trouble?.mend) {
    case 'retry': feed?.tryNow(); break;
    case 'shorter': setFilters({ since: '15m', until: '' }); break;
    case 'usual': setFilters(readFilters(new URLSearchParams())); break;
    default: break;
  }
}

async function saveAs(kind: 'lines' | 'table'): Promise<void> {
  if (!api) return;
  note('Saving.');
  try {
    const { blob, count } = await save(api, filters, kind, savedMax);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `vitrine-events-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${kind === 'lines' ? 'jsonl' : 'csv'}`;
    link.click();
    // The browser reads it now; a page that closes gives it back.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    note(count >= savedMax ? `The first ${whole(count)} events were saved: ask for less time to have the others.` : `${whole(count)} events were saved.`);
  } catch (error) {
    const { title, detail } = troubleOf(error, location.host);
    note(`Nothing was saved. ${title}. ${detail}`);
  }
}

const keyTable: readonly Key[] = [
  { keys: ['/'], shown: '/', does: 'Search', run: () => field('text').focus() },
  { keys: ['p'], shown: 'p', does: 'Stop, and go on', run: togglePause },
  { keys: ['t'], shown: 't', does: 'Figures as tables, or as pictures', run: toggleTables },
  { keys: ['n'], shown: 'n', does: 'The newest events', run: showNewest },
  { keys: ['l'], shown: 'l', does: 'Go to the timeline', run: focusTimeline },
  { keys: [], shown: '↑ ↓', does: 'In the timeline: from event to event', run: () => undefined },
  { keys: [], shown: 'Enter', does: 'In the timeline: all of an event', run: () => undefined },
  { keys: ['?'], shown: '?', does: 'These keys', run: () => keysDialog.showModal() },
  { keys: [], shown: 'Esc', does: 'Close what is open', run: () => undefined },
];

function focusTimeline(): void {
  element('sizer').querySelector<HTMLElement>('[tabindex="0"]')?.focus();
}

function listen(): void {
  listenForFilters();
  element('pause').addEventListener('click', togglePause);
  element('tables').addEventListener('click', toggleTables);
  element('newest').addEventListener('click', showNewest);
  element('older').addEventListener('click', showOlder);
  element('save-lines').addEventListener('click', () => void saveAs('lines'));
  element('save-table').addEventListener('click', () => void saveAs('table'));
  element('rows').addEventListener('scroll', renderCount, { passive: true });
  element('trouble-button').addEventListener('click', mend);
  element('empty-button').addEventListener('click', () => setFilters(filters.text !== '' || filters.host !== '' ? { text: '', host: '' } : { since: '30d', until: '' }));
  document.querySelector('.skip')!.addEventListener('click', event => {
    event.preventDefault();
    focusTimeline();
  });
  element('trouble-form').addEventListener('submit', event => {
    event.preventDefault();
    const pasted = readPastedLink(field('link').value, location.href);
    field('link').setAttribute('aria-invalid', String(pasted === undefined));
    if (!pasted) return;
    if ('open' in pasted) {
      location.href = pasted.open;
      return;
    }
    keepToken(sessionStorage, pasted.token);
    api = { base: location.href, token: pasted.token };
    begin();
  });
  for (const [dialog, close] of [[keysDialog, 'keys-close'], [details, 'details-close']] as const) {
    element(close).addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', event => {
      if (event.target === dialog) dialog.close(); // beside it
    });
  }
  element('keys-button').addEventListener('click', () => keysDialog.showModal());
  fillKeyList(element('key-list'), keyTable);
  listenForKeys(keyTable, () => keysDialog.open || details.open || document.activeElement instanceof HTMLSelectElement);
  // A page that nobody sees costs the host nothing.
  document.addEventListener('visibilitychange', () => {
    if (isPaused || !isLive(filters)) return;
    if (document.hidden) feed?.stop();
    else begin(isLoaded);
  });
  // What changes by itself: the countdown.
  setInterval(() => {
    if (nextTryMs !== undefined) render();
  }, 500);
}

listen();
begin();
