// Finds things in a picture (a binary PPM of 8 bits) with MNN: ./example picture.ppm
// g++ -std=c++11 example.cpp -I MNN/include -L MNN/build -lMNN -o example
#include <MNN/ImageProcess.hpp>
#include <MNN/Interpreter.hpp>
#include <MNN/Tensor.hpp>
#include <cstdio>
#include <memory>
#include <vector>

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
    if (fread(pixels.data(), 1, pixels.size(), file) != pixels.size()) return 1;
    fclose(file);

    std::shared_ptr<MNN::Interpreter> net(MNN::Interpreter::createFromFile("net.mnn"));
    if (!net) return 1;
    net->setSessionHint(MNN::Interpreter::WINOGRAD_MEMORY_LEVEL, 0);  // as it was proven
    MNN::BackendConfig high;
    high.precision = MNN::BackendConfig::Precision_High;
    MNN::ScheduleConfig how;
    how.type = MNN_FORWARD_CPU;
    how.backendConfig = &high;
    MNN::Session* session = net->createSession(how);

    MNN::CV::ImageProcess::Config config;
    config.filterType = MNN::CV::BILINEAR;
    config.sourceFormat = MNN::CV::RGB;
    config.destFormat = CHANNELS == 1 ? MNN::CV::GRAY : MNN::CV::BGR;
    for (int i = 0; i < CHANNELS; i++) {
        config.mean[i] = MEAN[i];
        config.normal[i] = SCALE;
    }
    std::shared_ptr<MNN::CV::ImageProcess> process(MNN::CV::ImageProcess::create(config));
    float across = (float)width / WIDTH, down = (float)height / HEIGHT;
    MNN::CV::Matrix where;  // of the net's pixels in the picture, middle upon middle
    where.setScale(across, down);
    where.postTranslate(across / 2 - 0.5f, down / 2 - 0.5f);
    process->setMatrix(where);
    process->convert(pixels.data(), width, height, 0, net->getSessionInput(session, "@INPUT@"));

    if (net->runSession(session) != MNN::NO_ERROR) return 1;
    MNN::Tensor* end = net->getSessionOutput(session, "@OUTPUT@");
    if (end->elementSize() < 1) return 0;  // nothing is found
    MNN::Tensor found(end, MNN::Tensor::CAFFE);
    end->copyToHostTensor(&found);
    const float* row = found.host<float>();  // label, score, xmin, ymin, xmax, ymax
    for (int i = 0; i < found.elementSize() / 6; i++, row += 6) {
        if (row[0] < 0) continue;  // fills up
        printf("%d %.3f %.0f %.0f %.0f %.0f\n", (int)row[0], row[1], row[2] * width,
               row[3] * height, row[4] * width, row[5] * height);
    }
    return 0;
}
