import { spawnSync } from 'node:child_process';
import { videoColours } from '../../src/viewer/worker/video/decoder';

/** One access unit, as a host would send it. */
export interface AccessUnit {
  readonly data: Uint8Array;
  readonly isKeyFrame: boolean;
}

/** A picture in the colours of the protocol, 4:2:0, of even size. */
export interface Yuv {
  readonly width: number;
  readonly height: number;
  readonly bytes: Uint8Array;
}

const { matrix, primaries, transfer } = videoColours;
const colours = ['-colorspace', matrix, '-color_primaries', primaries, '-color_trc', transfer, '-color_range', 'tv'];

function ffmpeg(args: readonly string[], input?: Uint8Array): Buffer {
  const run = spawnSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', ...args], { maxBuffer: 1 << 28, ...(input && { input }) });
  if (run.error) throw new Error(`ffmpeg does not run (${run.error.message}). Install it: apt-get install ffmpeg`);
  if (run.status !== 0) throw new Error(`ffmpeg: ${run.stderr.toString()}`);
  return run.stdout;
}

function encode(input: readonly string[], keyFrameEvery: number, quality: number, bytes?: Uint8Array): AccessUnit[] {
  const stream = ffmpeg([
    ...input, '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-qp', String(quality), '-g', String(keyFrameEvery),
    '-x264-params', 'slices=2:repeat-headers=1:scenecut=0', ...colours, '-bsf:v', 'h264_metadata=aud=insert', '-f', 'h264', '-',
  ], bytes);
  return accessUnits(stream);
}

/** A moving test picture: `frames` access units, a key frame at every `keyFrameEvery`th. */
export function encodeMotion(width: number, height: number, frames: number, keyFrameEvery: number): AccessUnit[] {
  return encode([
    '-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=30`, '-frames:v', String(frames),
    '-vf', `scale=out_color_matrix=${matrix}:out_range=tv,format=yuv420p`,
  ], keyFrameEvery, 20);
}

/** A picture as one key frame. */
export function encodeStill({ width, height, bytes }: Yuv, quality = 1): AccessUnit {
  return encode(['-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', `${width}x${height}`, '-r', '30', ...colours, '-i', '-'], 1, quality, bytes)[0];
}

/** What a decoder makes of an access unit. */
export function decodeStill(unit: AccessUnit, width: number, height: number): Yuv {
  return { width, height, bytes: ffmpeg(['-f', 'h264', '-i', '-', '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-'], unit.data) };
}

/** Cuts at the access unit delimiters. */
function accessUnits(stream: Buffer): AccessUnit[] {
  const starts: number[] = [];
  for (let at = stream.indexOf('000001', 0, 'hex'); at >= 0; at = stream.indexOf('000001', at + 3, 'hex')) {
    if ((stream[at + 3] & 0x1f) === 9) starts.push(at > 0 && stream[at - 1] === 0 ? at - 1 : at);
  }
  return starts.map((start, index) => {
    const data = new Uint8Array(stream.subarray(start, starts[index + 1] ?? stream.length));
    return { data, isKeyFrame: Buffer.from(data.buffer).includes('0000000167', 0, 'hex') || Buffer.from(data.buffer).includes('00000167', 0, 'hex') };
  });
}
