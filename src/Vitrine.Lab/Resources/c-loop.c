/* The peer that a capture back end is held against: XShmGetImage of the whole screen into one reused segment, in C.
 * Commands on standard input, one a line: "run N" grabs N times and answers with one line of N durations in nanoseconds;
 * "quit" ends. Build: cc -O2 c-loop.c -lX11 -lXext */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <X11/extensions/XShm.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
    Display *display = XOpenDisplay(NULL);
    if (!display || !XShmQueryExtension(display)) {
        fprintf(stderr, "no display with MIT-SHM\n");
        return 1;
    }

    int screen = DefaultScreen(display);
    Window root = RootWindow(display, screen);
    XShmSegmentInfo segment = {0};
    XImage *image = XShmCreateImage(display, DefaultVisual(display, screen), (unsigned)DefaultDepth(display, screen), ZPixmap,
        NULL, &segment, (unsigned)DisplayWidth(display, screen), (unsigned)DisplayHeight(display, screen));
    if (!image) {
        fprintf(stderr, "no image\n");
        return 1;
    }

    segment.shmid = shmget(IPC_PRIVATE, (size_t)image->bytes_per_line * (size_t)image->height, IPC_CREAT | 0600);
    if (segment.shmid < 0) {
        perror("shmget");
        return 1;
    }

    segment.shmaddr = image->data = shmat(segment.shmid, NULL, 0);
    XShmAttach(display, &segment);
    XSync(display, False);
    shmctl(segment.shmid, IPC_RMID, NULL);

    printf("ready %d %d\n", image->width, image->height);
    fflush(stdout);
    char line[64];
    int count;
    volatile char sink = 0;
    while (fgets(line, sizeof line, stdin) && sscanf(line, "run %d", &count) == 1) {
        for (int i = 0; i < count; i++) {
            int64_t start = now_ns();
            if (!XShmGetImage(display, root, image, 0, 0, AllPlanes)) {
                fprintf(stderr, "XShmGetImage failed\n");
                return 1;
            }

            printf("%lld ", (long long)(now_ns() - start));
            sink ^= image->data[0];
        }

        printf("\n");
        fflush(stdout);
    }

    XCloseDisplay(display);
    return 0;
}
