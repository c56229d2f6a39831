# Files as part of a program. As a script (cmake -DOUTPUT=… -DFILES=a;b -P embed_files.cmake) it writes a C++ source with
# the bytes of the files; included, it offers
#
#   stenod_embed_web(target)   # the files of web/ and the OpenAPI description, as stenod::server::web_files()
#
# which runs it whenever one of them has changed.
if(CMAKE_SCRIPT_MODE_FILE)
  set(arrays "")
  set(table "")
  set(index 0)
  foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "constexpr unsigned char kFile${index}[] = {${bytes}0};\n")
    string(APPEND table "    {\"${name}\", {reinterpret_cast<const char*>(kFile${index}), sizeof kFile${index} - 1}},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  file(WRITE ${OUTPUT} "// Written by cmake/embed_files.cmake.\n#include \"server/static_routes.h\"\n\n#include <vector>\n\n"
    "namespace stenod::server {\nnamespace {\n${arrays}}  // namespace\n\n"
    "std::span<const EmbeddedFile> web_files() {\n"
    "  static const std::vector<EmbeddedFile> files = {\n${table}  };\n  return files;\n}\n\n"
    "}  // namespace stenod::server\n")
  return()
endif()

set(STENOD_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(stenod_embed_web target)
  file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*.html ${PROJECT_SOURCE_DIR}/web/*.js
       ${PROJECT_SOURCE_DIR}/web/*.css ${PROJECT_SOURCE_DIR}/web/*.svg ${PROJECT_SOURCE_DIR}/web/*.png
       ${PROJECT_SOURCE_DIR}/web/*.ico ${PROJECT_SOURCE_DIR}/web/*.webmanifest)
  list(APPEND files ${PROJECT_SOURCE_DIR}/src/api/openapi.json)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/web_files.cc)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DFILES=${files}" -P ${STENOD_EMBED_SCRIPT}
    DEPENDS ${files} ${STENOD_EMBED_SCRIPT} VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
