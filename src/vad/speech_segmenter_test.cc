#include "vad/speech_segmenter.h"
#include <gtest/gtest.h>
TEST(X, Y) {}
