import { wholePicture } from '../../wire/limits';
import { GoodbyeReason, type Header, type HostMessage, PacketType } from '../../wire/messages';
import { parseHostPacket } from '../../wire/parse';
import type { Connection, FrameSample, ToPage, ToWorker } from '../messages';
import { HostClock, nowNs } from './hostClock';
import { HostConnection } from './hostConnection';
import { Screen, type ShownFrame } from './screen';
import { straightFromPremultiplied } from './cursorPixels';

/**
 * The viewer's data path, off the page's thread: WebSocket, parser, decoder, picture, canvas. The page only lays out,
 * draws the cursor and talks to the person.
 */

const clockBurst = 8;
const clockEveryMs = 2_000;
const clockEveryIdleMs = 10_000;
const samplesEveryMs = 250;

let connection: HostConnection | undefined;
let screen: Screen | undefined;
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

function start(message: Extract<ToWorker, { kind: 'start' }>): void {
  screen = new Screen(message.canvas, nowNs, onShown, view => post({ kind: 'view', view }));
  screen.setHidden(message.isHidden);
  connection = new HostConnection(message.streamUrl, message.healthUrl, {
    onOpen() {
      screen?.expectWhole();
      clock.forget();
      isChoiceToBeRepeated = wantedMonitor !== wholePicture;
      connection?.send({ type: PacketType.ViewerHello, capabilities: 0, name: message.viewerName }, { sentNs: nowNs() });
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
  const parsed = parseHostPacket(bytes, screen?.bounds);
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
        screen?.forget();
      }
      post({ kind: 'host', name: message.name });
      break;
    }
    case PacketType.Topology:
      if (screen?.setTopology(message) === false) {
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
      if (screen?.apply(header, message, receivedNs) === false) connection?.fail('A tile does not decode.');
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
    case 'start': start(message); break;
    case 'select': select(message.monitor); break;
    case 'visibility': screen?.setHidden(message.isHidden); break;
    case 'reconnect': connection?.connect(); break;
    case 'refresh': connection?.send({ type: PacketType.Refresh }, { sentNs: nowNs() }); break;
  }
});
