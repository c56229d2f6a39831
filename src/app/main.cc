#include "app/program.h"

int main(int argc, char** argv) { return stenod::app::run_program(argc, argv); }
