#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "api/http.h"

namespace stenod::server {

/// A file that is part of the program.
struct EmbeddedFile {
  std::string_view name;  ///< "app.js"
  std::string_view bytes;
};

/// The files of the folder web/ and src/api/openapi.json, as they were when the program was built.
std::span<const EmbeddedFile> web_files();

/// GET /NAME for each of the files, and GET / for index.html. The files must live as long as the routes. Pages may load
/// nothing from elsewhere, nor be shown inside other pages; browsers keep files and ask whether they have changed.
std::vector<api::Route> static_routes(std::span<const EmbeddedFile> files);

}  // namespace stenod::server
