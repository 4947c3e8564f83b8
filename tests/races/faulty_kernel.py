"""Runs a kernel whose threads write one element, and read behind a buffer; for tests/races."""

import ctypes
import os

cl = ctypes.CDLL("libOpenCL.so.1")
SOURCE = b"kernel void faulty(global int* a) { a[0] = get_global_id(0) + a[get_global_id(0)]; }"
ALL_DEVICES, READ_WRITE, NAME = 0xFFFFFFFF, 1, 0x102B
for function in cl.clCreateContext, cl.clCreateCommandQueue, cl.clCreateProgramWithSource, cl.clCreateBuffer, cl.clCreateKernel:
    function.restype = ctypes.c_void_p

platform, device, error = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
assert cl.clGetPlatformIDs(1, ctypes.byref(platform), None) == 0
assert cl.clGetDeviceIDs(platform, ctypes.c_uint64(ALL_DEVICES), 1, ctypes.byref(device), None) == 0
context = ctypes.c_void_p(cl.clCreateContext(None, 1, ctypes.byref(device), None, None, ctypes.byref(error)))
queue = ctypes.c_void_p(cl.clCreateCommandQueue(context, device, ctypes.c_uint64(0), ctypes.byref(error)))
source = ctypes.c_char_p(SOURCE)
program = ctypes.c_void_p(cl.clCreateProgramWithSource(context, 1, ctypes.byref(source), None, ctypes.byref(error)))
assert cl.clBuildProgram(program, 1, ctypes.byref(device), None, None, None) == 0
kernel = ctypes.c_void_p(cl.clCreateKernel(program, b"faulty", ctypes.byref(error)))
buffer = ctypes.c_void_p(cl.clCreateBuffer(context, ctypes.c_uint64(READ_WRITE), 32, None, ctypes.byref(error)))
assert cl.clSetKernelArg(kernel, 0, 8, ctypes.byref(buffer)) == 0
count = ctypes.c_size_t(16)
assert cl.clEnqueueNDRangeKernel(queue, kernel, 1, None, ctypes.byref(count), None, 0, None, None) == 0
assert cl.clFinish(queue) == 0
name = ctypes.create_string_buffer(99)
assert cl.clGetDeviceInfo(device, NAME, 99, name, None) == 0
print(name.value.decode(), flush=True)
os._exit(0)
