import type { Rectangle } from '../geometry';
import type { Picture } from '../picture';
import type { MakeSurface, Surface } from './surface';

const triangle = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

/** A pixel of the destination is a place in the frame's shown part, and never beyond its edge. */
const videoFragment = `#version 300 es
precision highp float;
uniform highp sampler2D frame;
uniform vec2 origin;
uniform vec2 scale;
uniform vec2 source;
out vec4 colour;
void main() {
  vec2 at = clamp((gl_FragCoord.xy - origin) * scale, vec2(0.5), source - 0.5);
  colour = vec4(texture(frame, at / vec2(textureSize(frame, 0))).rgb, 1.0);
}`;

/** The picture's first line is at the top, the window's at the bottom. */
const showFragment = `#version 300 es
precision highp float;
uniform highp sampler2D picture;
out vec4 colour;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  colour = texelFetch(picture, ivec2(at.x, textureSize(picture, 0).y - 1 - at.y), 0);
}`;

/** The picture is a texture: tiles are written to it, video is drawn into it, and showing is one pass over it. */
class WebGl2Surface implements Surface {
  readonly kind = 'webgl2';
  readonly #canvas: OffscreenCanvas;
  readonly #gl: WebGL2RenderingContext;
  readonly #showProgram: WebGLProgram;
  readonly #videoProgram: WebGLProgram;
  readonly #origin: WebGLUniformLocation | null;
  readonly #scale: WebGLUniformLocation | null;
  readonly #source: WebGLUniformLocation | null;
  readonly #video: WebGLTexture;
  readonly #target: WebGLFramebuffer;
  #texture: WebGLTexture | undefined;
  #width = 0;
  #height = 0;
  #onLost: ((why: string) => void) | undefined;

  constructor(canvas: OffscreenCanvas, gl: WebGL2RenderingContext, onLost: (why: string) => void) {
    this.#canvas = canvas;
    this.#gl = gl;
    this.#onLost = onLost;
    canvas.addEventListener('webglcontextlost', () => this.#onLost?.('the WebGL context was lost'));
    this.#showProgram = program(gl, showFragment);
    this.#videoProgram = program(gl, videoFragment);
    this.#origin = gl.getUniformLocation(this.#videoProgram, 'origin');
    this.#scale = gl.getUniformLocation(this.#videoProgram, 'scale');
    this.#source = gl.getUniformLocation(this.#videoProgram, 'source');
    this.#video = this.#newTexture(gl.LINEAR);
    this.#target = gl.createFramebuffer();
  }

  #newTexture(filter: number): WebGLTexture {
    const gl = this.#gl;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  resize(width: number, height: number): boolean {
    const gl = this.#gl;
    if (Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return false;
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    if (gl.drawingBufferWidth !== width || gl.drawingBufferHeight !== height) return false;
    [this.#width, this.#height] = [width, height];
    if (this.#texture) gl.deleteTexture(this.#texture);
    this.#texture = this.#newTexture(gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.#texture, 0);
    gl.clearColor(0, 0, 0, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    return true;
  }

  putCanvas(canvas: OffscreenCanvas): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#texture!);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, gl.RGBA, gl.UNSIGNED_BYTE, canvas);
  }

  putTiles(picture: Picture, view: Rectangle, areas: readonly Rectangle[]): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#texture!);
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, picture.width);
    for (const { x, y, width, height } of areas) {
      gl.texSubImage2D(
        gl.TEXTURE_2D, 0, x - view.x, y - view.y, width, height, gl.RGBA, gl.UNSIGNED_BYTE, picture.bytes, (y * picture.width + x) * 4);
    }
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, 0);
  }

  drawVideo(frame: VideoFrame, source: { readonly width: number; readonly height: number }, { x, y, width, height }: Rectangle, parts: readonly Rectangle[]): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#video);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, frame);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    gl.viewport(0, 0, this.#width, this.#height);
    gl.useProgram(this.#videoProgram);
    gl.uniform2f(this.#origin, x, y);
    gl.uniform2f(this.#scale, source.width / width, source.height / height);
    gl.uniform2f(this.#source, source.width, source.height);
    gl.enable(gl.SCISSOR_TEST);
    for (const part of parts) {
      gl.scissor(part.x, part.y, part.width, part.height);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    gl.disable(gl.SCISSOR_TEST);
  }

  present(): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, this.#width, this.#height);
    gl.useProgram(this.#showProgram);
    gl.bindTexture(gl.TEXTURE_2D, this.#texture!);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  dispose(): void {
    this.#onLost = undefined;
    // A context lives until it is collected, and a browser has few: this one is given back now.
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext();
  }
}

function program(gl: WebGL2RenderingContext, fragment: string): WebGLProgram {
  const made = gl.createProgram();
  for (const [type, text] of [[gl.VERTEX_SHADER, triangle], [gl.FRAGMENT_SHADER, fragment]] as const) {
    const shader = gl.createShader(type);
    if (!shader) continue;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(made);
  return made;
}

const attributes: WebGLContextAttributes = { alpha: false, antialias: false, depth: false, stencil: false };

export const makeWebGl2: MakeSurface = async (canvas, onLost) => {
  const gl = canvas.getContext('webgl2', attributes);
  if (gl === null) return 'this browser gives no WebGL2 context';
  if (gl.isContextLost()) return 'the WebGL context was lost at once';
  return new WebGl2Surface(canvas, gl, onLost);
};

/** Why WebGL2 would be no gain here; undefined when a graphics processor is behind it. */
export function whyNoWebGl2(): string | undefined {
  // A browser that knows its adapter to be software says no here, which is quicker than starting it to ask its name.
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2', { ...attributes, failIfMajorPerformanceCaveat: true });
  if (gl === null) return 'WebGL2 has no graphics processor behind it';
  const information = gl.getExtension('WEBGL_debug_renderer_info');
  const renderer = String(gl.getParameter(information?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  const software = /swiftshader|llvmpipe|softpipe|microsoft basic render|software/i.exec(renderer);
  return software ? `WebGL2 is drawn by software (${software[0]})` : undefined;
}
