import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import { tileSide } from '../../src/wire/limits';
import {
  type CopyRectangle, DisplayState, type HostMessage, type Monitor, PacketType, type Presented, type Tile, TileEncoding, type ViewerMessage,
} from '../../src/wire/messages';
import { parseViewerPacket } from '../../src/wire/parse';
import { type HeaderFields, writePacket } from '../../src/wire/write';
import { encodeLz4Block } from './bytes';

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml',
};

/** As strict as the real host's: what breaks here would break there. */
const contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export const token = 'secret-of-this-test';

export interface FakeHostOptions {
  readonly width: number;
  readonly height: number;
  readonly folder: string;
  readonly name?: string;
  readonly source?: string;
  readonly monitors?: readonly Monitor[];
  /** Answers requests below /api/. */
  readonly api?: (method: string, request: IncomingMessage, response: ServerResponse) => void;
}

/** Speaks the host's side of the protocol over a picture that a test paints. B, G, R, X. */
export class FakeHost {
  readonly picture: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly presented: { readonly sequence: number; readonly message: Presented; readonly atNs: bigint }[] = [];
  readonly received: ViewerMessage[] = [];
  health: { status: number; retryAfter?: string } | undefined;
  /** No WebSocket and no health: as if nobody listened. */
  isDead = false;
  sendsFirstPicture = true;
  generation = 1;
  selected = 0xffff;
  displayState: number = DisplayState.Live;
  sequence = 0;
  readonly #options: FakeHostOptions;
  readonly #server: Server;
  readonly #sockets = new Set<WebSocket>();
  readonly #webSockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'vitrine.1' });

  constructor(options: FakeHostOptions) {
    this.#options = options;
    this.width = options.width;
    this.height = options.height;
    this.picture = new Uint8Array(options.width * options.height * 4);
    this.#server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://host');
      if (url.pathname === '/healthz') {
        if (this.isDead) {
          request.socket.destroy();
          return;
        }
        const status = this.health?.status ?? (url.searchParams.get('t') === token ? 200 : 401);
        response.writeHead(status, this.health?.retryAfter ? { 'Retry-After': this.health.retryAfter } : {});
        response.end();
        return;
      }
      if (url.pathname.startsWith('/api/') && options.api) {
        if (this.isDead) request.socket.destroy();
        else options.api(url.pathname, request, response);
        return;
      }
      const pages: Record<string, string> = { '/': '/index.html', '/events': '/events.html' };
      const file = join(options.folder, normalize(pages[url.pathname] ?? url.pathname));
      if (!existsSync(file)) {
        response.writeHead(404).end();
        return;
      }
      response.writeHead(200, {
        'Content-Type': types[extname(file)] ?? 'application/octet-stream',
        'Content-Security-Policy': contentSecurityPolicy,
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
        'X-Content-Type-Options': 'nosniff',
      });
      createReadStream(file).pipe(response);
    });
    this.#server.on('upgrade', (request, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://host');
      if (this.isDead) socket.destroy();
      else if (this.health || url.searchParams.get('t') !== token) socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
      else this.#webSockets.handleUpgrade(request, socket, head, webSocket => this.#join(webSocket));
    });
  }

  async start(): Promise<void> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    this.dropViewers();
    await new Promise(resolve => this.#server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  get viewers(): number {
    return this.#sockets.size;
  }

  dropViewers(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  send(message: HostMessage, header: HeaderFields = {}): void {
    this.sendBytes(writePacket(message, { sentNs: now(), ...header }));
  }

  sendBytes(packet: Uint8Array): void {
    for (const socket of this.#sockets) socket.send(packet);
  }

  goodbye(reason: number, text: string): void {
    this.send({ type: PacketType.Goodbye, reason, text });
    for (const socket of this.#sockets) socket.close(1000);
  }

  topology(): HostMessage {
    return {
      type: PacketType.Topology, generation: this.generation, state: this.displayState, selected: this.selected,
      width: this.width, height: this.height, source: this.#options.source ?? ':0', monitors: this.#options.monitors ?? [],
    };
  }

  /** One frame: copies first, then tiles, in as many packets as asked for. */
  sendFrame(tiles: readonly Tile[], copies: readonly CopyRectangle[] = [], originNs = now(), tilesAPacket = 48): number {
    const sequence = ++this.sequence;
    const prefix = { generation: this.generation, capturedAfterNs: 200_000, encodedAfterNs: 600_000 };
    const packets: HostMessage[] = copies.length > 0 ? [{ type: PacketType.Copy, ...prefix, copies }] : [];
    for (let i = 0; i < tiles.length; i += tilesAPacket) packets.push({ type: PacketType.Tiles, ...prefix, tiles: tiles.slice(i, i + tilesAPacket) });
    packets.forEach((message, index) => this.send(message, { sequence, originNs, flags: index < packets.length - 1 ? 1 : 0 }));
    return sequence;
  }

  /** A tile of the picture, coded the way the host would. */
  tile(column: number, row: number, encoding?: number): Tile {
    const width = Math.min(tileSide, this.width - column * tileSide);
    const height = Math.min(tileSide, this.height - row * tileSide);
    const raw = new Uint8Array(width * height * 4);
    for (let y = 0; y < height; y++) {
      const from = ((row * tileSide + y) * this.width + column * tileSide) * 4;
      raw.set(this.picture.subarray(from, from + width * 4), y * width * 4);
    }
    const words = new Uint32Array(raw.buffer);
    if (encoding === undefined && words.every(word => word === words[0])) return { column, row, encoding: TileEncoding.Solid, data: raw.subarray(0, 4) };
    const coded = encoding === TileEncoding.Raw ? raw : encodeLz4Block(raw);
    return coded.length < raw.length && encoding !== TileEncoding.Raw
      ? { column, row, encoding: TileEncoding.Lz4, data: coded }
      : { column, row, encoding: TileEncoding.Raw, data: raw };
  }

  tilesOf(x: number, y: number, width: number, height: number): Tile[] {
    const tiles: Tile[] = [];
    for (let row = Math.floor(y / tileSide); row * tileSide < y + height; row++) {
      for (let column = Math.floor(x / tileSide); column * tileSide < x + width; column++) tiles.push(this.tile(column, row));
    }
    return tiles;
  }

  /** Any messages as one frame. */
  sendAsFrame(messages: readonly HostMessage[], originNs = now()): number {
    const sequence = ++this.sequence;
    messages.forEach((message, index) => this.send(message, { sequence, originNs, flags: index < messages.length - 1 ? 1 : 0 }));
    return sequence;
  }

  sendEverything(): number {
    return this.sendFrame(this.tilesOf(0, 0, this.width, this.height));
  }

  fill(x: number, y: number, width: number, height: number, [r, g, b]: readonly [number, number, number]): void {
    for (let line = y; line < y + height; line++) {
      for (let column = x; column < x + width; column++) this.picture.set([b, g, r, 0], (line * this.width + column) * 4);
    }
  }

  copy({ sourceX, sourceY, width, height, destinationX, destinationY }: CopyRectangle): void {
    const before = this.picture.slice();
    for (let line = 0; line < height; line++) {
      const from = ((sourceY + line) * this.width + sourceX) * 4;
      this.picture.set(before.subarray(from, from + width * 4), ((destinationY + line) * this.width + destinationX) * 4);
    }
  }

  #join(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('message', (data: Buffer) => this.#receive(socket, new Uint8Array(data)));
    const say = (message: HostMessage): void => socket.send(writePacket(message, { sentNs: now() }));
    say({ type: PacketType.Hello, sessionId: new Uint8Array(16).fill(7), grants: 1, name: this.#options.name ?? 'build-07' });
    say(this.topology());
    say(arrow());
    say({ type: PacketType.CursorPosition, x: Math.round(this.width * 0.62), y: Math.round(this.height * 0.55) });
    say({ type: PacketType.Statistics, viewers: this.#sockets.size, framesPerSecondMilli: 0, bytesSent: 0n, framesMerged: 3n, hostCpuMilli: 41 });
    if (this.sendsFirstPicture) this.sendEverything();
  }

  #receive(socket: WebSocket, bytes: Uint8Array): void {
    const receivedNs = now();
    const parsed = parseViewerPacket(bytes);
    if (parsed.kind !== 'ok') throw new Error(`The viewer sent ${parsed.kind}.`);
    const { message, header } = parsed;
    this.received.push(message);
    if (message.type === PacketType.ClockRequest) {
      const reply: HostMessage = {
        type: PacketType.ClockReply, requestSentNs: message.requestSentNs, requestReceivedNs: receivedNs, replySentNs: now(),
      };
      socket.send(writePacket(reply, { sentNs: now() }));
    } else if (message.type === PacketType.Presented) {
      this.presented.push({ sequence: header.sequence, message, atNs: receivedNs });
    } else if (message.type === PacketType.Select) {
      this.selected = message.monitor;
      this.send(this.topology());
    } else if (message.type === PacketType.Refresh) {
      this.sendEverything();
    }
  }
}

export function now(): bigint {
  return process.hrtime.bigint();
}

/** The well-known arrow, white with a black edge. */
function arrow(): HostMessage {
  const rows = [
    'x', 'xx', 'x.x', 'x..x', 'x...x', 'x....x', 'x.....x', 'x......x', 'x.......x', 'x........x', 'x.........x', 'x......xxxxx',
    'x...x..x', 'x..xx..x', 'x.x  x..x', 'xx   x..x', 'x     x..x', '      x..x', '       xx',
  ];
  const pixels = new Uint8Array(12 * rows.length * 4);
  rows.forEach((row, y) => [...row].forEach((mark, x) => {
    if (mark !== ' ') pixels.set(mark === '.' ? [255, 255, 255, 255] : [0, 0, 0, 255], (y * 12 + x) * 4);
  }));
  return { type: PacketType.CursorShape, width: 12, height: rows.length, hotspotX: 0, hotspotY: 0, pixels };
}
