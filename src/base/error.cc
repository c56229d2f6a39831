#include "base/error.h"

namespace stenod {

std::string_view error_name(ErrorCode code) {
  switch (code) {
#define STENOD_ERROR(enumerator, name, meaning) \
  case ErrorCode::enumerator:                   \
    return name;
#include "base/error_codes.def"
#undef STENOD_ERROR
  }
  return "internal";
}

std::string_view error_meaning(ErrorCode code) {
  switch (code) {
#define STENOD_ERROR(enumerator, name, meaning) \
  case ErrorCode::enumerator:                   \
    return meaning;
#include "base/error_codes.def"
#undef STENOD_ERROR
  }
  return "";
}

}  // namespace stenod
