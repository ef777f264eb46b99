/** Every bound of docs/PROTOCOL.md that a length is checked against before memory is taken. */

export const headerBytes = 32;
export const version = 1;
export const flagMore = 1;
export const hostPayloadBytesMax = 1_048_576;
export const viewerPayloadBytesMax = 1_024;

export const sessionIdBytes = 16;
export const hostNameBytesMax = 256;
export const sourceNameBytesMax = 256;
export const monitorNameBytesMax = 64;
export const viewerNameBytesMax = 128;
export const goodbyeTextBytesMax = 512;

export const monitorsMax = 64;
export const sideMax = 32_767;
export const pixelsMax = 67_108_864;
export const wholePicture = 0xffff;

export const tileSide = 64;
export const tileBytesMax = tileSide * tileSide * 4;
export const indexedColoursMax = 16;
export const tilesMax = 65_536;
export const copiesMax = 256;
export const cursorSideMax = 256;

export const regionsMax = 8;
export const regionSideMin = 16;
export const videoDataBytesMax = 1_048_000;
export const codedSideMax = 16_384;
