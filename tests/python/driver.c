/* Enough of CUDA's driver to see what it would be told: memory is the host's, kernels compute nothing, and each call
   that has an order is a line on standard output. One of them can be made to fail. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uintptr_t Address;

enum { RESERVED = 1024, MOST_THREADS = 1024 };

/* Calls that succeed until one fails, once, and with what. */
int until_failure = -1, failure = 0;

static int fails(void) { return until_failure-- == 0; }

static int say(const char *what, const void *stream) {
    if (fails()) return failure;
    printf("%s %p\n", what, stream);
    fflush(stdout);
    return 0;
}

int cuInit(unsigned flags) { return (void)flags, 0; }
int cuDeviceGetCount(int *count) { return *count = 2, 0; }  // the first of them too old
int cuDeviceGet(int *device, int number) { return *device = number, 0; }
int cuDeviceGetName(char *name, int size, int device) { return (void)device, snprintf(name, size, "No GPU") < 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    // Compute capability; bytes of a block's shared memory that are the system's.
    return *value = attribute == 75 ? (device == 0 ? 6 : 9) : attribute == 111 ? RESERVED : 0, 0;
}
int cuDeviceTotalMem_v2(size_t *size, int device) { return (void)device, *size = 1 << 30, 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { return (void)device, *context = (void *)context, 0; }
int cuCtxCreate_v2(void **context, unsigned flags, int device) { return (void)context, (void)flags, (void)device, 1; }
int cuCtxDestroy_v2(void *context) { return (void)context, 1; }
int cuCtxGetApiVersion(void *context, unsigned *version) { return (void)context, *version = 12000, 0; }
int cuCtxGetDevice(int *device) { return *device = 0, 0; }
int cuCtxPushCurrent_v2(void *context) { return (void)context, 0; }
int cuCtxPopCurrent_v2(void **context) { return *context = NULL, 0; }
int cuCtxSynchronize(void) { return say("wait for all", NULL); }
int cuProfilerStop(void) { return 0; }
int cuStreamSynchronize(void *stream) { return say("wait", stream); }
int cuMemAlloc_v2(Address *address, size_t size) {
    if (fails()) return failure;
    return *address = (Address)calloc(1, size), *address == 0;
}
int cuMemFree_v2(Address address) { return free((void *)address), 0; }

int cuMemcpyHtoD_v2(Address to, const void *from, size_t size) {
    memcpy((void *)to, from, size);
    return say("copy and wait", NULL);
}
int cuMemcpyDtoH_v2(void *to, Address from, size_t size) { return cuMemcpyHtoD_v2((Address)to, (void *)from, size); }
int cuMemcpyDtoD_v2(Address to, Address from, size_t size) { return cuMemcpyHtoD_v2(to, (void *)from, size); }
int cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t size, void *stream) {
    memcpy((void *)to, from, size);
    return say("copy", stream);
}
int cuMemcpyDtoHAsync_v2(void *to, Address from, size_t size, void *stream) {
    return cuMemcpyHtoDAsync_v2((Address)to, (void *)from, size, stream);
}
int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t size, void *stream) {
    return cuMemcpyHtoDAsync_v2(to, (void *)from, size, stream);
}
int cuMemcpy3D_v2(const void *copy) { return (void)copy, 1; }

int cuModuleLoadData(void **module, const void *image) { return (void)image, *module = (void *)module, 0; }
int cuModuleLoadDataEx(void **module, const void *image, unsigned options, void *names, void *values) {
    (void)options, (void)names, (void)values;
    if (fails()) return failure;
    char moved[16];
    snprintf(moved, sizeof moved, "+%d]", RESERVED);
    for (const char *at = image; (at = strstr(at, ".shared.")) != NULL; at++) {
        const char *end = strchr(at, ']');
        if (end == NULL || strncmp(end + 1 - strlen(moved), moved, strlen(moved)) != 0) return 1;
    }
    return cuModuleLoadData(module, image);
}
int cuModuleUnload(void *module) { return (void)module, 0; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return (void)name, *function = module, 0; }
int cuPointerGetAttribute(void *data, int attribute, Address address) {
    return (void)data, (void)attribute, address == 0;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned i, unsigned j, unsigned k,
                   unsigned shared, void *stream, void **arguments, void **extra) {
    (void)function, (void)x, (void)y, (void)z, (void)arguments, (void)extra;
    if (i * j * k > MOST_THREADS || (shared != 0 && shared <= RESERVED)) return 1;
    return say("launch", stream);
}
