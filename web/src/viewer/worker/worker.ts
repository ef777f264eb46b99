import { wholePicture } from '../../wire/limits';
import { Capability, GoodbyeReason, type Header, type HostMessage, PacketType } from '../../wire/messages';
import { parseHostPacket } from '../../wire/parse';
import type { Connection, FrameSample, ToPage, ToWorker } from '../messages';
import { HostClock, nowNs } from './hostClock';
import { HostConnection } from './hostConnection';
import type { Rectangle } from './geometry';
import { Presenter } from './presentation/presenter';
import { Screen, type ShownFrame } from './screen';
import { straightFromPremultiplied } from './cursorPixels';
import { makeWebCodecsDecoder, whyNoVideo } from './video/decoder';

/**
 * The viewer's data path, off the page's thread: WebSocket, parser, decoder, picture, canvas. The page only lays out,
 * draws the cursor and talks to the person.
 */

const clockBurst = 8;
const clockEveryMs = 2_000;
const clockEveryIdleMs = 10_000;
const samplesEveryMs = 250;
const videoLookMs = 250;
/** Refined rectangles told to the page at once; more are noise to the eye. */
const refinedMax = 256;

let connection: HostConnection | undefined;
let isStarted = false;
/** Why this viewer asks for tiles only, in words. */
let whyNot: string | undefined = 'not known yet';
let isOutlining = false;
let videoTold = '';
let sessionId = '';
/** What the person chose; the host forgets it with the connection. */
let wantedMonitor = wholePicture;
let isChoiceToBeRepeated = false;
let isLive = false;
const clock = new HostClock();

let clockAskedMs = 0;
let clockWaitingSinceMs: number | undefined;
let lastShownMs = 0;

let bytesReceived = 0;
let samples: FrameSample[] = [];
let samplesTimer: ReturnType<typeof setTimeout> | undefined;

function post(message: ToPage, transfer: Transferable[] = []): void {
  postMessage(message, { transfer });
}

const presenter = new Presenter({
  onSurface(surface, before) {
    screen.setSurface(surface, before);
    if (surface) post({ kind: 'canvasDrawn' });
  },
  onFigures: figures => post({ kind: 'presentation', figures }),
  askForCanvas: () => post({ kind: 'canvasWanted' }),
}, () => performance.now());

const screen = new Screen(nowNs, makeWebCodecsDecoder, {
  onShown,
  onView: view => post({ kind: 'view', view }),
  askForKeyFrame: (region, reason) => connection?.send({ type: PacketType.KeyFrame, region, reason }, { sentNs: nowNs() }),
  onVideoGivenUp(why) {
    // Units that were under way may fail too.
    if (whyNot !== undefined) return;
    whyNot = `The H.264 decoder failed again and again (${why}): the host sends tiles instead`;
    connection?.send({ type: PacketType.Capabilities, capabilities: 0 }, { sentNs: nowNs() });
    tellVideo();
  },
  onSurfaceFailed: why => presenter.fail(`it does not draw video (${why})`),
  onSurfaceTooSmall: (width, height) => presenter.fail(`it holds no ${width} × ${height} pixels`),
  onRegions: tellOutlines,
});

function tellOutlines(refined: readonly Rectangle[]): void {
  if (!isOutlining) return;
  const regions = screen.plane.regions.map(({ region: { region, x, y, width, height }, parts }) => ({ region, x, y, width, height, parts }));
  post({ kind: 'outlines', regions, refined: refined.slice(0, refinedMax) });
}

/** Only what is new: nothing is said while nothing moves. */
function tellVideo(): void {
  const status = { ...screen.plane.figures(), whyNot };
  const told = JSON.stringify(status);
  if (told === videoTold) return;
  videoTold = told;
  post({ kind: 'video', status });
}

async function start(message: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
  if (isStarted) return;
  isStarted = true;
  screen.isHostNear = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(message.streamUrl).hostname);
  screen.setHidden(message.isHidden);
  setInterval(() => {
    screen.plane.look();
    tellVideo();
  }, videoLookMs);
  // The choice of presentation may take longer than the host needs to answer: pixels wait for their surface.
  void presenter.start(message.canvas, message.present);
  whyNot = await whyNoVideo();
  tellVideo();
  connection = new HostConnection(message.streamUrl, message.healthUrl, {
    onOpen() {
      screen.expectWhole();
      clock.forget();
      isChoiceToBeRepeated = wantedMonitor !== wholePicture;
      connection?.send(
        { type: PacketType.ViewerHello, capabilities: whyNot === undefined ? Capability.H264 : 0, name: message.viewerName },
        { sentNs: nowNs() },
      );
      askClock(clockBurst);
    },
    onPacket,
    onState(state: Connection) {
      isLive = false;
      clockWaitingSinceMs = undefined;
      post({ kind: 'connection', connection: state });
    },
  });
  connection.connect();
  setInterval(tick, 1_000);
}

function tick(): void {
  const now = performance.now();
  if (clockWaitingSinceMs !== undefined) connection?.checkSilence(now - clockWaitingSinceMs);
  const everyMs = now - lastShownMs > clockEveryIdleMs ? clockEveryIdleMs : clockEveryMs;
  // The tick comes a little late or early: half of one is near enough.
  if (now - clockAskedMs >= everyMs - 500) askClock(1);
}

function askClock(times: number): void {
  clockAskedMs = performance.now();
  clockWaitingSinceMs ??= clockAskedMs;
  for (let i = 0; i < times; i++) {
    const requestSentNs = nowNs();
    connection?.send({ type: PacketType.ClockRequest, requestSentNs }, { sentNs: requestSentNs });
  }
}

function select(monitor: number): void {
  wantedMonitor = monitor;
  connection?.send({ type: PacketType.Select, monitor }, { sentNs: nowNs() });
}

function onPacket(bytes: Uint8Array): void {
  const receivedNs = nowNs();
  bytesReceived += bytes.length;
  // Anything at all says that the host lives.
  if (clockWaitingSinceMs !== undefined) clockWaitingSinceMs = performance.now();
  const parsed = parseHostPacket(bytes, screen.bounds);
  switch (parsed.kind) {
    case 'ok': handle(parsed.header, parsed.message, receivedNs); break;
    case 'malformed': connection?.fail(parsed.why); break;
    case 'otherVersion':
      connection?.fail(`The host speaks version ${parsed.version}.`, GoodbyeReason.VersionMismatch);
      break;
    case 'unknown': break;
  }
}

function handle(header: Header, message: HostMessage, receivedNs: bigint): void {
  switch (message.type) {
    case PacketType.Hello: {
      const id = message.sessionId.join();
      if (id !== sessionId) {
        sessionId = id;
        screen.forget();
      }
      post({ kind: 'host', name: message.name });
      break;
    }
    case PacketType.Topology:
      if (screen.setTopology(message) === false) {
        connection?.stop('pictureTooLarge', `${message.width} × ${message.height}`);
        return;
      }
      post({ kind: 'topology', topology: message });
      if (isChoiceToBeRepeated) {
        isChoiceToBeRepeated = false;
        if (wantedMonitor < message.monitors.length) select(wantedMonitor);
      }
      break;
    case PacketType.Tiles:
    case PacketType.Copy:
    case PacketType.Regions:
    case PacketType.Video:
      if (screen.apply(header, message, receivedNs) === false) connection?.fail('A tile does not decode.');
      break;
    case PacketType.CursorShape: {
      const pixels = straightFromPremultiplied(message.pixels);
      const { width, height, hotspotX, hotspotY } = message;
      post({ kind: 'cursorShape', width, height, hotspotX, hotspotY, pixels }, [pixels.buffer]);
      break;
    }
    case PacketType.CursorPosition:
      post({ kind: 'cursorPosition', x: message.x, y: message.y });
      break;
    case PacketType.ClockReply:
      clockWaitingSinceMs = undefined;
      clock.add(message.requestSentNs, message.requestReceivedNs, message.replySentNs, receivedNs);
      break;
    case PacketType.Statistics:
      post({ kind: 'hostStatistics', statistics: message });
      break;
    case PacketType.Goodbye:
      connection?.leave(message);
      break;
  }
}

function onShown(frame: ShownFrame): void {
  const isShown = frame.presentedNs !== 0n;
  connection?.send(
    {
      type: PacketType.Presented,
      receivedNs: clock.toHost(frame.receivedNs),
      decodedNs: clock.toHost(frame.decodedNs),
      presentedNs: isShown ? clock.toHost(frame.presentedNs) : 0n,
    },
    { sequence: frame.header.sequence, sentNs: nowNs() },
  );
  if (!isLive) {
    isLive = true;
    connection?.confirm();
    post({ kind: 'connection', connection: { state: 'live' } });
    // The first exchanges shared the way with a whole picture: ask again now that it is quiet.
    askClock(clockBurst);
  }
  if (!isShown) return;
  lastShownMs = performance.now();
  samples.push(sampleOf(frame));
  samplesTimer ??= setTimeout(flushSamples, samplesEveryMs);
}

function sampleOf(frame: ShownFrame): FrameSample {
  const { originNs } = frame.header;
  const isTimed = originNs !== 0n && clock.isKnown && !frame.isWhole;
  const sinceOriginMs = (viewerNs: bigint): number => (isTimed ? Number(clock.toHost(viewerNs) - originNs) / 1e6 : NaN);
  const encodedMs = frame.encodedAfterNs / 1e6;
  const capturedMs = frame.capturedAfterNs / 1e6;
  return {
    atMs: performance.timeOrigin + performance.now(),
    capture: isTimed ? capturedMs : NaN,
    encode: isTimed ? encodedMs - capturedMs : NaN,
    network: sinceOriginMs(frame.receivedNs) - encodedMs,
    decode: isTimed ? Number(frame.decodedNs - frame.receivedNs) / 1e6 : NaN,
    show: isTimed ? Number(frame.presentedNs - frame.decodedNs) / 1e6 : NaN,
    total: sinceOriginMs(frame.presentedNs),
  };
}

function flushSamples(): void {
  samplesTimer = undefined;
  post({ kind: 'samples', samples, bytesReceived, roundTripMs: clock.delayMs });
  samples = [];
}

addEventListener('message', (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  switch (message.kind) {
    case 'start': void start(message); break;
    case 'canvas': presenter.giveCanvas(message.canvas); break;
    case 'calm': presenter.calm(); break;
    case 'present': void presenter.want(message.present); break;
    case 'outlines':
      isOutlining = message.isOn;
      tellOutlines([]);
      break;
    case 'select': select(message.monitor); break;
    case 'visibility': screen.setHidden(message.isHidden); break;
    case 'reconnect': connection?.connect(); break;
    case 'refresh': connection?.send({ type: PacketType.Refresh }, { sentNs: nowNs() }); break;
  }
});
