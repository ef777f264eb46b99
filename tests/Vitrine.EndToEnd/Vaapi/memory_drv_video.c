// A driver for VA-API without a device: pictures lie in memory, blocks that changed are coded as they are (I_PCM), the others are skipped.
// What libavcodec puts into parameters and headers is what comes out, and what is decoded equals what was encoded, byte for byte.
// The environment makes it the driver that a test wants: MEMORY_VA_RATE (mask of VA_RC_*), MEMORY_VA_SLICES (most), MEMORY_VA_LOW_POWER
// (1: only with low power does it keep to a rate), MEMORY_VA_NO_H264, MEMORY_VA_NO_DERIVE, MEMORY_VA_NO_SYNC_BUFFER (1: so), MEMORY_VA_FAILS_AT
// (picture, from 1).
#include <stdlib.h>
#include <string.h>
#include <va/va.h>
#include <va/va_backend.h>
#include <va/va_enc_h264.h>

enum { OBJECTS_MAX = 1024, PARTS_MAX = 32, BLOCK_BYTES = 384 };

typedef struct { int width, height, pitch; unsigned char *bytes; } Surface;
typedef struct { VABufferType type; unsigned size; unsigned char *bytes; int is_borrowed; VACodedBufferSegment segment; } Buffer;
typedef struct { VABufferID buffer; int pitch, height; } Image;
typedef struct { unsigned char *bytes; unsigned bits; } Header;
typedef struct { VAEncSliceParameterBufferH264 fields; int header; } Slice;

static Surface *surfaces[OBJECTS_MAX];
static Buffer *buffers[OBJECTS_MAX];
static Image *images[OBJECTS_MAX];
static int configs, contexts, blocks_wide, blocks_high, pictures;
static unsigned char *last; // blocks of the picture before
static Surface *target;
static Buffer *coded;
static Header headers[PARTS_MAX];
static Slice slices[PARTS_MAX];
static int header_count, slice_count;
static unsigned header_bits;

// Everything that is not given back yet; exported.
int memory_va_objects(void)
{
    int count = configs + contexts;
    for (int i = 0; i < OBJECTS_MAX; i++)
        count += (surfaces[i] != NULL) + (buffers[i] != NULL) + (images[i] != NULL);
    return count;
}

static int setting(const char *name, int otherwise)
{
    const char *value = getenv(name);
    return value && *value ? atoi(value) : otherwise;
}

static int take(void **table, size_t bytes)
{
    for (int i = 1; i < OBJECTS_MAX; i++)
        if (!table[i]) {
            table[i] = calloc(1, bytes);
            return i;
        }
    abort(); // whoever takes that many never gives any back
}

static int rows(int height) { return (height + 15) & ~15; }

// --- Bits ------------------------------------------------------------------------------------------------------------

static struct { unsigned char *bytes; unsigned capacity, size, bits, pending, zeros; int is_literal; } out;

static void put_byte(unsigned value)
{
    if (!out.is_literal) {
        if (out.zeros >= 2 && value <= 3) { // emulation prevention: ITU-T H.264, 7.4.1
            if (out.size < out.capacity)
                out.bytes[out.size] = 3;
            out.size++;
            out.zeros = 0;
        }
        out.zeros = value ? 0 : out.zeros + 1;
    }
    if (out.size < out.capacity)
        out.bytes[out.size] = value;
    out.size++;
}

static void put(unsigned value, int count)
{
    while (count-- > 0) {
        out.pending = out.pending << 1 | (value >> count & 1);
        if (++out.bits == 8) {
            put_byte(out.pending & 255);
            out.bits = out.pending = 0;
        }
    }
}

static void align(void)
{
    while (out.bits)
        put(0, 1);
}

static void put_golomb(unsigned value)
{
    int length = 0;
    while ((value + 1) >> (length + 1))
        length++;
    put(0, length);
    put(value + 1, length + 1);
}

// Headers come with their emulation prevention; a slice's may end within a byte, and its blocks follow at that bit.
static void put_header(const Header *header, int is_open)
{
    unsigned whole = header->bits / 8, rest = header->bits % 8;
    out.is_literal = 1;
    for (unsigned i = 0; i < whole; i++)
        put_byte(header->bytes[i]);
    out.is_literal = 0;
    out.zeros = 0;
    for (unsigned i = whole; is_open && i > 0 && !header->bytes[i - 1]; i--)
        out.zeros++;
    if (rest)
        put(header->bytes[whole] >> (8 - rest), rest);
}

static void read_block(int block, unsigned char *bytes)
{
    int x = block % blocks_wide * 16, y = block / blocks_wide * 16;
    const unsigned char *chroma = target->bytes + (size_t)target->pitch * rows(target->height);
    for (int row = 0; row < 16; row++, bytes += 16)
        memcpy(bytes, target->bytes + (size_t)(y + row) * target->pitch + x, 16);
    for (int plane = 0; plane < 2; plane++)
        for (int row = 0; row < 8; row++)
            for (int column = 0; column < 8; column++)
                *bytes++ = chroma[(size_t)(y / 2 + row) * target->pitch + x + column * 2 + plane];
}

static void put_slice(const VAEncSliceParameterBufferH264 *slice)
{
    int is_intra = slice->slice_type % 5 == 2, end = slice->macroblock_address + slice->num_macroblocks;
    unsigned skipped = 0;
    for (int block = slice->macroblock_address; block < end; block++) {
        unsigned char now[BLOCK_BYTES], *before = last + (size_t)block * BLOCK_BYTES;
        read_block(block, now);
        if (!is_intra && !memcmp(before, now, BLOCK_BYTES)) {
            skipped++;
            continue;
        }
        memcpy(before, now, BLOCK_BYTES);
        if (!is_intra)
            put_golomb(skipped);
        skipped = 0;
        put_golomb(is_intra ? 25 : 30); // I_PCM: tables 7-11 and 7-13
        align();
        for (int i = 0; i < BLOCK_BYTES; i++)
            put(now[i], 8);
    }
    if (skipped)
        put_golomb(skipped);
    put(1, 1);
    align();
}

// --- What libva calls ------------------------------------------------------------------------------------------------

static VAStatus refuse() { return VA_STATUS_ERROR_UNIMPLEMENTED; }

static VAStatus terminate(VADriverContextP c) { return VA_STATUS_SUCCESS; }

static VAStatus query_profiles(VADriverContextP c, VAProfile *profiles, int *count)
{
    *profiles = setting("MEMORY_VA_NO_H264", 0) ? VAProfileMPEG2Main : VAProfileH264ConstrainedBaseline;
    *count = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus query_entrypoints(VADriverContextP c, VAProfile profile, VAEntrypoint *entrypoints, int *count)
{
    entrypoints[0] = VAEntrypointEncSlice;
    entrypoints[1] = VAEntrypointEncSliceLP;
    *count = setting("MEMORY_VA_LOW_POWER", 0) ? 2 : 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus get_attributes(VADriverContextP c, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib *list, int count)
{
    for (int i = 0; i < count; i++)
        switch (list[i].type) {
        case VAConfigAttribRTFormat: list[i].value = VA_RT_FORMAT_YUV420; break;
        case VAConfigAttribRateControl:
            list[i].value = setting("MEMORY_VA_LOW_POWER", 0) && entrypoint == VAEntrypointEncSlice ? VA_RC_CQP : setting("MEMORY_VA_RATE", VA_RC_CBR | VA_RC_VBR);
            break;
        case VAConfigAttribEncMaxRefFrames: list[i].value = 1; break;
        case VAConfigAttribEncMaxSlices: list[i].value = setting("MEMORY_VA_SLICES", 8); break;
        case VAConfigAttribEncSliceStructure: list[i].value = VA_ENC_SLICE_STRUCTURE_ARBITRARY_ROWS; break;
        case VAConfigAttribEncPackedHeaders:
            list[i].value = VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_SLICE | VA_ENC_PACKED_HEADER_MISC;
            break;
        default: list[i].value = VA_ATTRIB_NOT_SUPPORTED; break;
        }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_config(VADriverContextP c, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib *list, int count, VAConfigID *config)
{
    *config = ++configs;
    return VA_STATUS_SUCCESS;
}

static VAStatus destroy_config(VADriverContextP c, VAConfigID config)
{
    configs--;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces2(
    VADriverContextP c, unsigned format, unsigned width, unsigned height, VASurfaceID *ids, unsigned count, VASurfaceAttrib *list, unsigned attributes)
{
    for (unsigned i = 0; i < count; i++) {
        ids[i] = take((void **)surfaces, sizeof(Surface));
        Surface *surface = surfaces[ids[i]];
        surface->width = width;
        surface->height = height;
        surface->pitch = (width + 127) & ~127;
        surface->bytes = calloc(3, (size_t)surface->pitch * rows(height) / 2);
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces(VADriverContextP c, int width, int height, int format, int count, VASurfaceID *ids)
{
    return create_surfaces2(c, format, width, height, ids, count, NULL, 0);
}

static VAStatus destroy_surfaces(VADriverContextP c, VASurfaceID *ids, int count)
{
    for (int i = 0; i < count; i++) {
        free(surfaces[ids[i]]->bytes);
        free(surfaces[ids[i]]);
        surfaces[ids[i]] = NULL;
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus query_surface_attributes(VADriverContextP c, VAConfigID config, VASurfaceAttrib *list, unsigned *count)
{
    const VASurfaceAttribType types[] = { VASurfaceAttribPixelFormat, VASurfaceAttribMaxWidth, VASurfaceAttribMaxHeight };
    const int values[] = { VA_FOURCC_NV12, 4096, 4096 };
    for (int i = 0; list && i < 3; i++) {
        list[i].type = types[i];
        list[i].flags = VA_SURFACE_ATTRIB_GETTABLE;
        list[i].value.type = VAGenericValueTypeInteger;
        list[i].value.value.i = values[i];
    }
    *count = 3;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_context(VADriverContextP c, VAConfigID config, int width, int height, int flag, VASurfaceID *targets, int count, VAContextID *context)
{
    if (contexts > 0)
        return VA_STATUS_ERROR_HW_BUSY; // one at a time is enough here
    blocks_wide = width / 16;
    blocks_high = height / 16;
    last = calloc((size_t)blocks_wide * blocks_high, BLOCK_BYTES);
    pictures = 0;
    *context = ++contexts;
    return VA_STATUS_SUCCESS;
}

static VAStatus destroy_context(VADriverContextP c, VAContextID context)
{
    free(last);
    contexts--;
    return VA_STATUS_SUCCESS;
}

static VABufferID new_buffer(VABufferType type, unsigned size, unsigned char *borrowed)
{
    int id = take((void **)buffers, sizeof(Buffer));
    *buffers[id] = (Buffer){ .type = type, .size = size, .bytes = borrowed ? borrowed : calloc(1, size), .is_borrowed = borrowed != NULL };
    return id;
}

static VAStatus create_buffer(VADriverContextP c, VAContextID context, VABufferType type, unsigned size, unsigned count, void *data, VABufferID *id)
{
    *id = new_buffer(type, size * count, NULL);
    if (data)
        memcpy(buffers[*id]->bytes, data, size * count);
    return VA_STATUS_SUCCESS;
}

static VAStatus map_buffer(VADriverContextP c, VABufferID id, void **address)
{
    *address = buffers[id]->type == VAEncCodedBufferType ? (void *)&buffers[id]->segment : buffers[id]->bytes;
    return VA_STATUS_SUCCESS;
}

static VAStatus unmap_buffer(VADriverContextP c, VABufferID id) { return VA_STATUS_SUCCESS; }

static VAStatus destroy_buffer(VADriverContextP c, VABufferID id)
{
    if (!buffers[id]->is_borrowed)
        free(buffers[id]->bytes);
    free(buffers[id]);
    buffers[id] = NULL;
    return VA_STATUS_SUCCESS;
}

static VAStatus begin_picture(VADriverContextP c, VAContextID context, VASurfaceID surface)
{
    target = surfaces[surface];
    header_count = slice_count = 0;
    return VA_STATUS_SUCCESS;
}

static VAStatus render_picture(VADriverContextP c, VAContextID context, VABufferID *ids, int count)
{
    for (int i = 0; i < count; i++) {
        Buffer *buffer = buffers[ids[i]];
        switch ((int)buffer->type) {
        case VAEncPictureParameterBufferType:
            coded = buffers[((VAEncPictureParameterBufferH264 *)buffer->bytes)->coded_buf];
            break;
        case VAEncPackedHeaderParameterBufferType:
            header_bits = ((VAEncPackedHeaderParameterBuffer *)buffer->bytes)->bit_length;
            break;
        case VAEncPackedHeaderDataBufferType: // lives until the picture has ended
            if (header_count == PARTS_MAX)
                return VA_STATUS_ERROR_MAX_NUM_EXCEEDED;
            headers[header_count++] = (Header){ memcpy(malloc(buffer->size), buffer->bytes, buffer->size), header_bits };
            break;
        case VAEncSliceParameterBufferType:
            if (slice_count == PARTS_MAX)
                return VA_STATUS_ERROR_MAX_NUM_EXCEEDED;
            slices[slice_count++] = (Slice){ *(VAEncSliceParameterBufferH264 *)buffer->bytes, header_count - 1 };
            break;
        }
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus end_picture(VADriverContextP c, VAContextID context)
{
    int header = 0, fails = ++pictures == setting("MEMORY_VA_FAILS_AT", 0);
    memset(&out, 0, sizeof out);
    out.bytes = coded->bytes;
    out.capacity = coded->size;
    for (int i = 0; i < slice_count; i++) {
        for (; header <= slices[i].header; header++)
            put_header(&headers[header], header == slices[i].header);
        put_slice(&slices[i].fields);
    }
    for (int i = 0; i < header_count; i++)
        free(headers[i].bytes);
    coded->segment = (VACodedBufferSegment){ .size = out.size, .buf = coded->bytes };
    return fails || out.size > out.capacity ? VA_STATUS_ERROR_ENCODING_ERROR : VA_STATUS_SUCCESS;
}

static VAStatus sync_surface(VADriverContextP c, VASurfaceID surface) { return VA_STATUS_SUCCESS; }

static VAStatus sync_buffer(VADriverContextP c, VABufferID buffer, uint64_t timeout)
{
    return buffer == VA_INVALID_ID ? VA_STATUS_ERROR_INVALID_BUFFER : VA_STATUS_SUCCESS;
}

static VAStatus query_image_formats(VADriverContextP c, VAImageFormat *formats, int *count)
{
    *formats = (VAImageFormat){ .fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12 };
    *count = 1;
    return VA_STATUS_SUCCESS;
}

static VAStatus new_image(int width, int height, int pitch, VABufferID buffer, VAImage *image)
{
    *image = (VAImage){
        .image_id = take((void **)images, sizeof(Image)), .buf = buffer, .width = width, .height = height, .num_planes = 2, .pitches = { pitch, pitch },
        .offsets = { 0, pitch * rows(height) }, .data_size = pitch * rows(height) * 3 / 2,
    };
    int count;
    query_image_formats(NULL, &image->format, &count);
    *images[image->image_id] = (Image){ buffer, pitch, height };
    return VA_STATUS_SUCCESS;
}

static VAStatus create_image(VADriverContextP c, VAImageFormat *format, int width, int height, VAImage *image)
{
    int pitch = (width + 63) & ~63; // other than a surface's
    return new_image(width, height, pitch, new_buffer(VAImageBufferType, pitch * rows(height) * 3 / 2, NULL), image);
}

static VAStatus derive_image(VADriverContextP c, VASurfaceID id, VAImage *image)
{
    Surface *surface = surfaces[id];
    if (setting("MEMORY_VA_NO_DERIVE", 0))
        return VA_STATUS_ERROR_OPERATION_FAILED;
    return new_image(surface->width, surface->height, surface->pitch, new_buffer(VAImageBufferType, 0, surface->bytes), image);
}

static VAStatus destroy_image(VADriverContextP c, VAImageID id)
{
    destroy_buffer(c, images[id]->buffer);
    free(images[id]);
    images[id] = NULL;
    return VA_STATUS_SUCCESS;
}

static VAStatus put_image(
    VADriverContextP c, VASurfaceID id, VAImageID image_id, int from_x, int from_y, unsigned width, unsigned height, int x, int y, unsigned to_width,
    unsigned to_height)
{
    Surface *surface = surfaces[id];
    Image *image = images[image_id];
    const unsigned char *from = buffers[image->buffer]->bytes;
    for (unsigned row = 0; row < height; row++)
        memcpy(surface->bytes + (size_t)row * surface->pitch, from + (size_t)row * image->pitch, width);
    for (unsigned row = 0; row < height / 2; row++)
        memcpy(
            surface->bytes + (size_t)(rows(surface->height) + row) * surface->pitch, from + (size_t)(rows(image->height) + row) * image->pitch, width);
    return VA_STATUS_SUCCESS;
}

// The oldest version of this interface: every library takes a driver that is not newer than itself.
VAStatus __vaDriverInit_1_0(VADriverContextP c)
{
    c->version_major = 1;
    c->max_entrypoints = 2;
    c->max_profiles = c->max_attributes = c->max_image_formats = c->max_subpic_formats = c->max_display_attributes = 1;
    c->str_vendor = "pictures in memory";
    // What it must have and nobody calls answers that it is not there.
    for (void **entry = (void **)c->vtable; entry < (void **)&c->vtable->vaBufferInfo; entry++)
        *entry = (void *)refuse;
    c->vtable->vaTerminate = terminate;
    c->vtable->vaQueryConfigProfiles = query_profiles;
    c->vtable->vaQueryConfigEntrypoints = query_entrypoints;
    c->vtable->vaGetConfigAttributes = get_attributes;
    c->vtable->vaCreateConfig = create_config;
    c->vtable->vaDestroyConfig = destroy_config;
    c->vtable->vaCreateSurfaces = create_surfaces;
    c->vtable->vaCreateSurfaces2 = create_surfaces2;
    c->vtable->vaDestroySurfaces = destroy_surfaces;
    c->vtable->vaQuerySurfaceAttributes = query_surface_attributes;
    c->vtable->vaCreateContext = create_context;
    c->vtable->vaDestroyContext = destroy_context;
    c->vtable->vaCreateBuffer = create_buffer;
    c->vtable->vaMapBuffer = map_buffer;
    c->vtable->vaUnmapBuffer = unmap_buffer;
    c->vtable->vaDestroyBuffer = destroy_buffer;
    c->vtable->vaBeginPicture = begin_picture;
    c->vtable->vaRenderPicture = render_picture;
    c->vtable->vaEndPicture = end_picture;
    c->vtable->vaSyncSurface = sync_surface;
    c->vtable->vaSyncBuffer = setting("MEMORY_VA_NO_SYNC_BUFFER", 0) ? NULL : sync_buffer;
    c->vtable->vaQueryImageFormats = query_image_formats;
    c->vtable->vaCreateImage = create_image;
    c->vtable->vaDeriveImage = derive_image;
    c->vtable->vaDestroyImage = destroy_image;
    c->vtable->vaPutImage = put_image;
    return VA_STATUS_SUCCESS;
}
