include(GoogleTest)

# One call per module, with every file named:
#
#   stenod_module(NAME audio
#     HEADERS decoder.h … SOURCES decoder.cc …
#     DEPS base …                  # other modules
#     PRIVATE_LIBS PkgConfig::X …  # third-party libraries that stay inside the module
#     PUBLIC_LIBS …                # third-party libraries that its headers show (rare)
#     TESTS decoder_test.cc …      # one test program, audio_test
#     ISA_TESTS BackendRunner* …   # tests that also run held to each older instruction set, besides the machine's best
#     TEST_DEPS …                  # further modules that only the tests use
#     TEST_TOOLS testing/tool.cc … # programs that functional tests start, one each, named after the file
#     BENCHES log_mel_bench.cc …   # one Google Benchmark program, audio_bench
#     FUZZERS wav_fuzz.cc …)       # one program each, named after the file
#
# The library is the target `stenod_audio`; its headers are included as "audio/decoder.h".
function(stenod_module)
  cmake_parse_arguments(M "" "NAME" "HEADERS;SOURCES;DEPS;PRIVATE_LIBS;PUBLIC_LIBS;TESTS;ISA_TESTS;TEST_DEPS;TEST_TOOLS;BENCHES;FUZZERS" ${ARGN})
  if(M_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "stenod_module(${M_NAME}): unknown arguments ${M_UNPARSED_ARGUMENTS}")
  endif()
  list(TRANSFORM M_DEPS PREPEND stenod_)
  list(TRANSFORM M_TEST_DEPS PREPEND stenod_)

  set(library stenod_${M_NAME})
  if(M_SOURCES)
    add_library(${library} STATIC ${M_SOURCES} ${M_HEADERS})
    target_include_directories(${library} PUBLIC ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${library} PUBLIC ${M_DEPS} ${M_PUBLIC_LIBS} PRIVATE ${M_PRIVATE_LIBS} stenod_options)
  else()
    add_library(${library} INTERFACE)
    target_include_directories(${library} INTERFACE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${library} INTERFACE ${M_DEPS} ${M_PUBLIC_LIBS})
  endif()

  # Every header compiles alone. The source of the same name shows it, by including its header first; the headers without
  # one are objects of their own, in the target all_verify_interface_header_sets. Not those that are made to be included
  # into something: tables of macros (.def) and Highway's bodies for each instruction set (-inl.h).
  set(standalone ${M_HEADERS})
  list(FILTER standalone INCLUDE REGEX "\\.h$")
  list(FILTER standalone EXCLUDE REGEX "-inl\\.h$")
  foreach(source ${M_SOURCES})
    string(REGEX REPLACE "\\.cc$" ".h" header ${source})
    if(header IN_LIST standalone)
      file(STRINGS ${source} includes REGEX "^#include" LIMIT_COUNT 1)
      if(includes STREQUAL "#include \"${M_NAME}/${header}\"")
        list(REMOVE_ITEM standalone ${header})
      endif()
    endif()
  endforeach()
  target_sources(${library} INTERFACE FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/src FILES ${standalone})
  set_target_properties(${library} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)

  if(M_TESTS AND NOT STENOD_FUZZ)
    set(test ${M_NAME}_test)
    add_executable(${test} ${M_TESTS})
    target_link_libraries(${test} PRIVATE ${library} ${M_TEST_DEPS} ${M_PRIVATE_LIBS} stenod_options stenod_test_options
                                          GTest::gmock GTest::gtest_main)
    target_compile_definitions(${test} PRIVATE STENOD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    gtest_discover_tests(${test} TEST_PREFIX "${M_NAME}." DISCOVERY_TIMEOUT 60
                         PROPERTIES LABELS unit TIMEOUT 600)
    if(M_ISA_TESTS)
      list(JOIN M_ISA_TESTS ":" filter)
      foreach(isa avx2 avx512 avx512_vnni)
        gtest_discover_tests(${test} TEST_PREFIX "${M_NAME}[${isa}]." TEST_LIST ${test}_${isa} TEST_FILTER "${filter}"
                             DISCOVERY_TIMEOUT 60 PROPERTIES LABELS unit TIMEOUT 600 ENVIRONMENT STENOD_MAX_ISA=${isa})
      endforeach()
    endif()
  endif()

  foreach(source ${M_TEST_TOOLS})
    get_filename_component(tool ${source} NAME_WE)
    add_executable(${tool} ${source})
    target_link_libraries(${tool} PRIVATE ${library} ${M_TEST_DEPS} ${M_PRIVATE_LIBS} stenod_options)
  endforeach()

  if(M_BENCHES AND NOT STENOD_FUZZ)
    set(bench ${M_NAME}_bench)
    add_executable(${bench} ${M_BENCHES})
    target_link_libraries(${bench} PRIVATE ${library} ${M_TEST_DEPS} ${M_PRIVATE_LIBS} stenod_options
                                           benchmark::benchmark_main)
  endif()

  # Fuzz targets are built everywhere: with libFuzzer under the `fuzz` preset, otherwise with a main() that runs the
  # files it is given, so that a target can't rot and a finding can be replayed with any sanitizer.
  foreach(source ${M_FUZZERS})
    get_filename_component(fuzzer ${source} NAME_WE)
    add_executable(${fuzzer} ${source})
    target_link_libraries(${fuzzer} PRIVATE ${library} ${M_TEST_DEPS} ${M_PRIVATE_LIBS} stenod_options)
    if(STENOD_FUZZ)
      target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
    else()
      target_sources(${fuzzer} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/fuzz_replay_main.cc)
    endif()
  endforeach()
endfunction()
