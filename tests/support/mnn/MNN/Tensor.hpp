// See Interpreter.hpp.
#pragma once
#include <cstdint>

struct halide_type_t {
    enum { halide_type_int, halide_type_uint, halide_type_float } code;
    uint8_t bits;
    uint16_t lanes;
};

struct halide_buffer_t {
    uint64_t device;
    const void* device_interface;
    uint8_t* host;
    uint64_t flags;
    halide_type_t type;
    int32_t dimensions;
    void* dim;
    void* padding;
};

namespace MNN {
class Tensor {
public:
    enum DimensionType { TENSORFLOW, CAFFE, CAFFE_C4 };
    Tensor(const Tensor* tensor, DimensionType type = CAFFE, bool allocMemory = true);
    ~Tensor();
    bool copyToHostTensor(Tensor* hostTensor) const;
    int size() const;
    int elementSize() const { return size() / ((mBuffer.type.bits + 7) / 8); }
    template <typename T>
    T* host() const { return (T*)mBuffer.host; }

private:
    halide_buffer_t mBuffer;
    void* mDescribe;
};
}  // namespace MNN
