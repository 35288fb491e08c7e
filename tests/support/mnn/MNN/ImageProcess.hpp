// See Interpreter.hpp.
#pragma once
#include <cstdint>

#include <MNN/Interpreter.hpp>

namespace MNN {
namespace CV {
class Matrix {
public:
    Matrix() { reset(); }
    void reset();
    void setScale(float sx, float sy);
    void postTranslate(float dx, float dy);

private:
    float fMat[9];
    uint32_t fTypeMask;
};

enum ImageFormat { RGBA = 0, RGB = 1, BGR = 2, GRAY = 3 };
enum Filter { NEAREST = 0, BILINEAR = 1 };
enum Wrap { CLAMP_TO_EDGE = 0 };

class ImageProcess {
public:
    struct Config {
        Filter filterType = NEAREST;
        ImageFormat sourceFormat = RGBA;
        ImageFormat destFormat = RGBA;
        float mean[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        float normal[4] = {1.0f, 1.0f, 1.0f, 1.0f};
        Wrap wrap = CLAMP_TO_EDGE;
    };
    static ImageProcess* create(const Config& config, const Tensor* dstTensor = nullptr);
    ~ImageProcess();
    void setMatrix(const Matrix& matrix);
    ErrorCode convert(const uint8_t* source, int iw, int ih, int stride, Tensor* dest);
};
}  // namespace CV
}  // namespace MNN
