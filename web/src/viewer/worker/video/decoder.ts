/** What a stream needs of a decoder; tests bring their own. */
export interface Decoder {
  /** Hands over one access unit; false when the decoder does not take it, and is of no use any more. */
  decode(data: Uint8Array, isKeyFrame: boolean, timestamp: number): boolean;
  /** Drops what it has not given out yet. */
  close(): void;
}

/** What comes out of a decoder; whoever gets it closes it. */
export interface DecodedFrame {
  readonly timestamp: number;
  close(): void;
}

export interface DecoderEvents<Frame> {
  onFrame(frame: Frame): void;
  /** It is closed already and gives out nothing more. */
  onError(why: string): void;
}

export interface DecoderWish {
  readonly codec: string;
  readonly codedWidth: number;
  readonly codedHeight: number;
  /** The last one failed without a picture: leave the graphics processor, which may just have gone, out of it. */
  readonly isSoftwareWanted: boolean;
}

export type MakeDecoder<Frame> = (wish: DecoderWish, events: DecoderEvents<Frame>) => Decoder | undefined;

/** The colours of the protocol, which the streams say too. */
export const videoColours = { primaries: 'bt709', transfer: 'bt709', matrix: 'smpte170m', fullRange: false } as const;

function configOf(codec: string, isSoftwareWanted = false): VideoDecoderConfig {
  // No description: access units come in Annex B form, parameter sets within.
  return {
    codec,
    optimizeForLatency: true,
    hardwareAcceleration: isSoftwareWanted ? 'prefer-software' : 'no-preference',
    colorSpace: videoColours,
  };
}

/** The browser's own H.264 decoder. */
export const makeWebCodecsDecoder: MakeDecoder<VideoFrame> = ({ codec, codedWidth, codedHeight, isSoftwareWanted }, events) => {
  const decoder = new VideoDecoder({
    output: frame => events.onFrame(frame),
    error: error => events.onError(error.message),
  });
  const close = (): void => {
    if (decoder.state !== 'closed') decoder.close();
  };
  try {
    decoder.configure({ ...configOf(codec, isSoftwareWanted), codedWidth, codedHeight });
  } catch {
    // A codec string that is none: its parts came from outside.
    close();
    return undefined;
  }
  return {
    decode(data, isKeyFrame, timestamp) {
      try {
        decoder.decode(new EncodedVideoChunk({ type: isKeyFrame ? 'key' : 'delta', timestamp, data: data as Uint8Array<ArrayBuffer> }));
        return true;
      } catch {
        // Closed meanwhile, or a key frame that is none.
        close();
        return false;
      }
    },
    close,
  };
};

/** Why H.264 cannot be decoded here, in words; undefined when it can. */
export async function whyNoVideo(): Promise<string | undefined> {
  if (!isSecureContext) return 'This browser cannot decode H.264 here: the page is not in a secure context (https, or the host itself)';
  if (typeof VideoDecoder === 'undefined') return 'This browser cannot decode H.264: it has no WebCodecs';
  for (const codec of ['avc1.42E01F', 'avc1.640028']) {
    try {
      if (!(await VideoDecoder.isConfigSupported(configOf(codec))).supported) return 'This browser comes without an H.264 decoder';
    } catch (error) {
      return `This browser cannot decode H.264: ${String(error)}`;
    }
  }
  return undefined;
}
