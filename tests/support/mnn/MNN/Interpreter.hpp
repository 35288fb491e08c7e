// What the example needs of MNN 3's headers (https://github.com/alibaba/MNN, Apache-2.0), declared
// after them: MNN's wheel brings the library without. Names, types and layouts have to be theirs.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <MNN/Tensor.hpp>

typedef enum { MNN_FORWARD_CPU = 0 } MNNForwardType;

namespace MNN {
enum ErrorCode { NO_ERROR = 0 };

struct BackendConfig {
    enum MemoryMode { Memory_Normal = 0 };
    MemoryMode memory = Memory_Normal;
    enum PowerMode { Power_Normal = 0 };
    PowerMode power = Power_Normal;
    enum PrecisionMode { Precision_Normal = 0, Precision_High, Precision_Low };
    PrecisionMode precision = Precision_Normal;
    union {
        void* sharedContext = nullptr;
        size_t flags;
    };
};

struct ScheduleConfig {
    std::vector<std::string> saveTensors;
    MNNForwardType type = MNN_FORWARD_CPU;
    union {
        int numThread = 4;
        int mode;
    };
    struct Path {
        std::vector<std::string> inputs;
        std::vector<std::string> outputs;
        enum Mode { Op = 0, Tensor = 1 };
        Mode mode = Op;
    };
    Path path;
    MNNForwardType backupType = MNN_FORWARD_CPU;
    BackendConfig* backendConfig = nullptr;
};

class Session;

class Interpreter {
public:
    enum HintMode { WINOGRAD_MEMORY_LEVEL = 3 };
    static Interpreter* createFromFile(const char* file);
    ~Interpreter();
    void setSessionHint(HintMode hint, int value);
    Session* createSession(const ScheduleConfig& config);
    ErrorCode runSession(Session* session) const;
    Tensor* getSessionInput(const Session* session, const char* name);
    Tensor* getSessionOutput(const Session* session, const char* name);
};
}  // namespace MNN
