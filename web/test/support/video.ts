import { tileSide } from '../../src/wire/limits';
import { type HostMessage, PacketType, type Region, type Video, VideoCodec, VideoFlag } from '../../src/wire/messages';
import type { FakeHost } from './fakeHost';
import type { AccessUnit } from './h264';

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A region that covers the tiles for which `isCovered` says so, by their place in the picture's grid. */
export function regionOf(region: number, box: Box, isCovered: (column: number, row: number) => boolean = () => true): Region {
  const left = Math.floor(box.x / tileSide);
  const top = Math.floor(box.y / tileSide);
  const columns = Math.ceil((box.x + box.width) / tileSide) - left;
  const rows = Math.ceil((box.y + box.height) / tileSide) - top;
  const cover = new Uint8Array(Math.ceil(columns * rows / 8));
  for (let i = 0; i < columns * rows; i++) {
    if (isCovered(left + i % columns, top + Math.floor(i / columns))) cover[i >> 3] |= 1 << (i & 7);
  }
  return { region, ...box, cover };
}

/** Sends a region's stream as a host does: numbered, and on from the next key frame when one is asked for. */
export class VideoSender {
  readonly #host: FakeHost;
  readonly #units: readonly AccessUnit[];
  readonly #coded: { readonly width: number; readonly height: number };
  readonly #keyFrames: readonly number[];
  /** Position in the stream, for ever repeated. */
  at = 0;
  number = 0;
  stream = 1;
  flags = 0;
  #asked = 0;

  constructor(host: FakeHost, units: readonly AccessUnit[], coded: { readonly width: number; readonly height: number }) {
    this.#host = host;
    this.#units = units;
    this.#coded = coded;
    this.#keyFrames = units.flatMap((unit, index) => (unit.isKeyFrame ? [index] : []));
  }

  get keyFramesAsked(): number {
    return this.#host.received.filter(message => message.type === PacketType.KeyFrame).length;
  }

  next(region: number, box: Box): Video {
    if (this.keyFramesAsked > this.#asked) {
      this.#asked = this.keyFramesAsked;
      this.toKeyFrame();
    }
    const unit = this.#units[this.at++ % this.#units.length];
    return {
      type: PacketType.Video, ...this.prefix, region, codec: VideoCodec.H264, flags: this.flags | (unit.isKeyFrame ? VideoFlag.KeyFrame : 0),
      stream: this.stream, number: ++this.number, codedWidth: this.#coded.width, codedHeight: this.#coded.height, ...box, data: unit.data,
    };
  }

  toKeyFrame(): void {
    const place = this.at % this.#units.length;
    this.at += (this.#keyFrames.find(key => key >= place) ?? this.#units.length + this.#keyFrames[0]) - place;
  }

  regions(...regions: Region[]): HostMessage {
    return { type: PacketType.Regions, ...this.prefix, regions };
  }

  get prefix(): { generation: number; capturedAfterNs: number; encodedAfterNs: number } {
    return { generation: this.#host.generation, capturedAfterNs: 200_000, encodedAfterNs: 5_000_000 };
  }
}
