import type { Rectangle } from '../geometry';
import type { Picture } from '../picture';
import type { MakeSurface, Surface } from './surface';

/** Names of GPUTextureUsage and GPUBufferUsage, which the types do not have as values. */
const [copySource, copyTarget, binding, attachment] = [1, 2, 4, 16];
const [bufferCopyTarget, bufferUniform] = [8, 64];

const triangle = `
@vertex fn corners(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
  return vec4f(select(-1.0, 3.0, index == 1u), select(-1.0, 3.0, index == 2u), 0.0, 1.0);
}`;

/** A pixel of the destination is a place in the frame's shown part, and never beyond its edge. */
const videoShader = `${triangle}
struct Place { origin: vec2f, scale: vec2f, source: vec2f }
@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var smoothing: sampler;
@group(0) @binding(2) var<uniform> place: Place;
@fragment fn paint(@builtin(position) position: vec4f) -> @location(0) vec4f {
  let at = clamp((position.xy - place.origin) * place.scale, vec2f(0.5), place.source - 0.5);
  return vec4f(textureSampleLevel(frame, smoothing, at / vec2f(textureDimensions(frame)), 0.0).rgb, 1.0);
}`;

const showShader = `${triangle}
@group(0) @binding(0) var picture: texture_2d<f32>;
@fragment fn paint(@builtin(position) position: vec4f) -> @location(0) vec4f {
  return textureLoad(picture, vec2u(position.xy), 0);
}`;

/** The picture is a texture: tiles are written to it, video is drawn into it, and showing is one pass over it. */
class WebGpuSurface implements Surface {
  readonly kind = 'webgpu';
  readonly #canvas: OffscreenCanvas;
  readonly #context: GPUCanvasContext;
  readonly #device: GPUDevice;
  readonly #showPipeline: GPURenderPipeline;
  readonly #videoPipeline: GPURenderPipeline;
  readonly #smoothing: GPUSampler;
  readonly #place: GPUBuffer;
  #texture: GPUTexture | undefined;
  #view: GPUTextureView | undefined;
  #showBinding: GPUBindGroup | undefined;
  #video: GPUTexture | undefined;
  #videoBinding: GPUBindGroup | undefined;
  #isDisposed = false;

  constructor(canvas: OffscreenCanvas, context: GPUCanvasContext, device: GPUDevice, onLost: (why: string) => void) {
    this.#canvas = canvas;
    this.#context = context;
    this.#device = device;
    void device.lost.then(({ message }) => {
      if (!this.#isDisposed) onLost(`the WebGPU device was lost${message === '' ? '' : `: ${message}`}`);
    });
    device.addEventListener('uncapturederror', event => {
      if (!this.#isDisposed) onLost(`WebGPU: ${(event as GPUUncapturedErrorEvent).error.message}`);
    });
    const format = navigator.gpu.getPreferredCanvasFormat();
    context.configure({ device, format, alphaMode: 'opaque' });
    const pipeline = (code: string, target: GPUTextureFormat): GPURenderPipeline => {
      const module = device.createShaderModule({ code });
      return device.createRenderPipeline({
        layout: 'auto', vertex: { module }, fragment: { module, targets: [{ format: target }] }, primitive: { topology: 'triangle-list' },
      });
    };
    this.#showPipeline = pipeline(showShader, format);
    this.#videoPipeline = pipeline(videoShader, 'rgba8unorm');
    this.#smoothing = device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
    this.#place = device.createBuffer({ size: 24, usage: bufferUniform | bufferCopyTarget });
  }

  resize(width: number, height: number): boolean {
    if (Math.max(width, height) > this.#device.limits.maxTextureDimension2D) return false;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    this.#texture?.destroy();
    // Fresh textures are transparent black; showing drops the transparency.
    this.#texture = this.#device.createTexture({
      size: [width, height], format: 'rgba8unorm', usage: copySource | copyTarget | binding | attachment,
    });
    this.#view = this.#texture.createView();
    this.#showBinding = this.#device.createBindGroup({
      layout: this.#showPipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: this.#view }],
    });
    return true;
  }

  putCanvas(canvas: OffscreenCanvas): void {
    this.#device.queue.copyExternalImageToTexture({ source: canvas }, { texture: this.#texture! }, [canvas.width, canvas.height]);
  }

  putTiles(picture: Picture, view: Rectangle, areas: readonly Rectangle[]): void {
    for (const { x, y, width, height } of areas) {
      this.#device.queue.writeTexture(
        { texture: this.#texture!, origin: [x - view.x, y - view.y] },
        picture.bytes,
        { offset: (y * picture.width + x) * 4, bytesPerRow: picture.width * 4 },
        [width, height],
      );
    }
  }

  drawVideo(frame: VideoFrame, source: { readonly width: number; readonly height: number }, { x, y, width, height }: Rectangle, parts: readonly Rectangle[]): void {
    const device = this.#device;
    const texture = this.#videoTexture(frame.displayWidth, frame.displayHeight);
    device.queue.copyExternalImageToTexture({ source: frame }, { texture }, [texture.width, texture.height]);
    device.queue.writeBuffer(this.#place, 0, new Float32Array([
      x, y, source.width / width, source.height / height, source.width, source.height,
    ]));
    this.#draw(this.#view!, this.#videoPipeline, this.#videoBinding!, parts);
  }

  #videoTexture(width: number, height: number): GPUTexture {
    if (this.#video?.width === width && this.#video.height === height) return this.#video;
    this.#video?.destroy();
    this.#video = this.#device.createTexture({ size: [width, height], format: 'rgba8unorm', usage: copyTarget | binding | attachment });
    this.#videoBinding = this.#device.createBindGroup({
      layout: this.#videoPipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: this.#video.createView() },
        { binding: 1, resource: this.#smoothing },
        { binding: 2, resource: { buffer: this.#place } },
      ],
    });
    return this.#video;
  }

  #draw(view: GPUTextureView, pipeline: GPURenderPipeline, group: GPUBindGroup, parts?: readonly Rectangle[]): void {
    const encoder = this.#device.createCommandEncoder();
    const pass = encoder.beginRenderPass({
      colorAttachments: [{ view, loadOp: parts ? 'load' : 'clear', storeOp: 'store', clearValue: [0, 0, 0, 1] }],
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    if (!parts) pass.draw(3);
    for (const part of parts ?? []) {
      pass.setScissorRect(part.x, part.y, part.width, part.height);
      pass.draw(3);
    }
    pass.end();
    this.#device.queue.submit([encoder.finish()]);
  }

  present(): void {
    this.#draw(this.#context.getCurrentTexture().createView(), this.#showPipeline, this.#showBinding!);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#context.unconfigure();
    this.#device.destroy();
  }
}

export const makeWebGpu: MakeSurface = async (canvas, onLost) => {
  // Absent from older browsers and from insecure contexts, whatever the types say.
  const adapter = await (navigator.gpu as GPU | undefined)?.requestAdapter();
  if (!adapter) return 'this browser gives no WebGPU adapter';
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredLimits: { maxTextureDimension2D: adapter.limits.maxTextureDimension2D } });
  } catch (error) {
    return `WebGPU gives no device: ${String(error)}`;
  }
  const context = canvas.getContext('webgpu') as GPUCanvasContext | null;
  if (context === null) {
    device.destroy();
    return 'this browser gives no WebGPU context to a worker';
  }
  return new WebGpuSurface(canvas, context, device, onLost);
};

/** Why WebGPU would be no gain here; undefined when a graphics processor is behind it. */
export async function whyNoWebGpu(): Promise<string | undefined> {
  const gpu = navigator.gpu as GPU | undefined;
  if (!gpu) return isSecureContext ? 'this browser has no WebGPU' : 'WebGPU needs a secure context';
  const adapter = await gpu.requestAdapter();
  if (!adapter) return 'WebGPU has no adapter';
  const { isFallbackAdapter, vendor, architecture } = adapter.info;
  return isFallbackAdapter || /swiftshader|llvmpipe|software/i.test(architecture) || (vendor === 'microsoft' && architecture === '')
    ? `WebGPU is computed by software (${[vendor, architecture].filter(Boolean).join(' ')})`
    : undefined;
}
