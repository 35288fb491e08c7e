// Finds things in a picture (a binary PPM of 8 bits) with ncnn: ./example picture.ppm
// g++ -std=c++11 example.cpp -I ncnn/include/ncnn -L ncnn/lib -lncnn -fopenmp -o example
#include <cstdio>
#include <vector>

#include "net.h"

static const int WIDTH = @WIDTH@, HEIGHT = @HEIGHT@, CHANNELS = @CHANNELS@;
static const float MEAN[] = {@MEAN@}, SCALE = @SCALE@;

int main(int count, char** words) {
    int width = 0, height = 0;
    FILE* file = count == 2 ? fopen(words[1], "rb") : NULL;
    if (!file || fscanf(file, "P6 %d %d 255", &width, &height) != 2 || width < 1 || height < 1) {
        return fprintf(stderr, "usage: example picture.ppm\n"), 1;
    }
    fgetc(file);  // the one blank behind the head
    std::vector<unsigned char> pixels((size_t)width * height * 3);
    if (fread(&pixels[0], 1, pixels.size(), file) != pixels.size()) return 1;
    fclose(file);

    ncnn::Net net;
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = false;
    if (net.load_param("net.param") || net.load_model("net.bin")) return 1;

    int order = CHANNELS == 1 ? ncnn::Mat::PIXEL_RGB2GRAY : ncnn::Mat::PIXEL_RGB2BGR;
    ncnn::Mat input =
        ncnn::Mat::from_pixels_resize(&pixels[0], order, width, height, WIDTH, HEIGHT);
    const float scales[] = {SCALE, SCALE, SCALE};
    input.substract_mean_normalize(MEAN, scales);

    ncnn::Extractor run = net.create_extractor();
    ncnn::Mat found;  // rows: label, score, xmin, ymin, xmax, ymax; empty where there are none
    if (run.input("@INPUT@", input) || run.extract("detections", found)) return 1;
    for (int i = 0; i < found.h; i++) {
        const float* row = found.row(i);
        printf("%d %.3f %.0f %.0f %.0f %.0f\n", (int)row[0], row[1], row[2] * width,
               row[3] * height, row[4] * width, row[5] * height);
    }
    return 0;
}
