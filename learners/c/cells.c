/* What costs come to: see learners/cells.py. */
#include "kernel.h"

#include <math.h>

#define CELL_COUNT 3.0
#define ARM_COUNT 1.0
#define MODEL_COUNT 5.0
#define VARIANCE 0.25
#define MAX_HALF_VARIANCE 20.0
#define EMPTY 1e-9

void expect(size_t cells, const double *n, const double *s, const double *sums, double prior,
            double shift, double *mean, double *variance)
{
    double count = fmax(sums[0], 0.0);
    double centre = (ARM_COUNT * prior + sums[1]) / (ARM_COUNT + count);
    double v = (VARIANCE + fmax(sums[2], 0.0)) / (1.0 + count);
    double level = shift * exp(fmin(0.5 * v, MAX_HALF_VARIANCE)), said = 0.0, factor = 1.0;
    for (size_t i = 0; i < cells; i++) {
        variance[i] = level * exp((s[i] + CELL_COUNT * centre) / (n[i] + CELL_COUNT));
        mean[i] = variance[i] - shift;
        said += n[i] * mean[i];
    }
    if (count > EMPTY && said > 0.0)
        factor = (MODEL_COUNT + count * fmax(sums[3] / said, 0.0)) / (MODEL_COUNT + count);
    for (size_t i = 0; i < cells; i++) {
        double open = v / (n[i] + ARM_COUNT);
        double sd = factor * variance[i] * expm1(-sqrt(open) - 0.5 * open);
        mean[i] *= factor;
        variance[i] = sd * sd;
    }
}
