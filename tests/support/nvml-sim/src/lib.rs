//! Stands for libnvidia-ml.so: an H100 as measured.
