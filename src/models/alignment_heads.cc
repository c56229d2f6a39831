#include "models/alignment_heads.h"

#include "models/whisper_config.h"

namespace stenod::models {
namespace {

struct KnownModel {
  int d_model, num_encoder_layers, num_decoder_layers, vocab_size;
  std::vector<std::pair<int, int>> heads;
};

const std::vector<KnownModel>& known_models() {
  static const std::vector<KnownModel> models = {
      // tiny.en
      {384, 4, 4, 51864, {{1, 0}, {2, 0}, {2, 5}, {3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}},
      // tiny
      {384, 4, 4, 51865, {{2, 2}, {3, 0}, {3, 2}, {3, 3}, {3, 4}, {3, 5}}},
      // base.en
      {512, 6, 6, 51864, {{3, 3}, {4, 7}, {5, 1}, {5, 5}, {5, 7}}},
      // base
      {512, 6, 6, 51865, {{3, 1}, {4, 2}, {4, 3}, {4, 7}, {5, 1}, {5, 2}, {5, 4}, {5, 6}}},
      // small.en
      {768,
       12,
       12,
       51864,
       {{6, 6},
        {7, 0},
        {7, 3},
        {7, 8},
        {8, 2},
        {8, 5},
        {8, 7},
        {9, 0},
        {9, 4},
        {9, 8},
        {9, 10},
        {10, 0},
        {10, 1},
        {10, 2},
        {10, 3},
        {10, 6},
        {10, 11},
        {11, 2},
        {11, 4}}},
      // small
      {768, 12, 12, 51865, {{5, 3}, {5, 9}, {8, 0}, {8, 4}, {8, 7}, {8, 8}, {9, 0}, {9, 7}, {9, 9}, {10, 5}}},
      // medium.en
      {1024,
       24,
       24,
       51864,
       {{11, 4},
        {14, 1},
        {14, 12},
        {14, 14},
        {15, 4},
        {16, 0},
        {16, 4},
        {16, 9},
        {17, 12},
        {17, 14},
        {18, 7},
        {18, 10},
        {18, 15},
        {20, 0},
        {20, 3},
        {20, 9},
        {20, 14},
        {21, 12}}},
      // medium
      {1024, 24, 24, 51865, {{13, 15}, {15, 4}, {15, 15}, {16, 1}, {20, 0}, {23, 4}}},
      // large-v2
      {1280, 32, 32, 51865, {{10, 12}, {13, 17}, {16, 11}, {16, 12}, {16, 13}, {17, 15}, {17, 16}, {18, 4},
                             {18, 11}, {18, 19}, {19, 11}, {21, 2},  {21, 3},  {22, 3},  {22, 9},  {22, 12},
                             {23, 5},  {23, 7},  {23, 13}, {25, 5},  {26, 1},  {26, 12}, {27, 15}}},
      // large-v3
      {1280,
       32,
       32,
       51866,
       {{7, 0}, {10, 17}, {12, 18}, {13, 12}, {16, 1}, {17, 14}, {19, 11}, {21, 4}, {24, 1}, {25, 6}}},
      // large-v3-turbo
      {1280, 32, 4, 51866, {{2, 4}, {2, 11}, {3, 3}, {3, 6}, {3, 11}, {3, 14}}},
  };
  return models;
}

}  // namespace

std::vector<std::pair<int, int>> known_alignment_heads(const WhisperDims& dims) {
  for (const KnownModel& model : known_models()) {
    if (dims.d_model == model.d_model && dims.num_encoder_layers == model.num_encoder_layers &&
        dims.num_decoder_layers == model.num_decoder_layers && dims.vocab_size == model.vocab_size) {
      return model.heads;
    }
  }
  return default_alignment_heads(dims);
}

}  // namespace stenod::models
