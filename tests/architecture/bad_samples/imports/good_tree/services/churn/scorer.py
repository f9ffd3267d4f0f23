import lightgbm
import numpy
