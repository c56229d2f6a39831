#include "text/compression_ratio.h"

#include <zlib.h>

#include <new>
#include <vector>

namespace stenod::text {

double compression_ratio(std::string_view utf8) {
  uLongf size = compressBound(utf8.size());
  std::vector<Bytef> compressed(size);
  const int status = compress(compressed.data(), &size, reinterpret_cast<const Bytef*>(utf8.data()), utf8.size());
  if (status != Z_OK) throw std::bad_alloc();  // with a buffer of compressBound() nothing else can go wrong
  return static_cast<double>(utf8.size()) / static_cast<double>(size);
}

}  // namespace stenod::text
