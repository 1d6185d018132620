/* The drift detector: see learners/drift.py. */
#include "kernel.h"

#include <math.h>

static const double TILT[TILTS] = {-2.0, -1.0, -0.5, 0.5, 1.0, 2.0};
static double SURPLUS[TILTS];

/* How near a prediction may come to the end that a tilt leads away from: see learners/plain.py. */
static const double EDGE = 0.02;

void prepare_drift(void)
{
    for (int i = 0; i < TILTS; i++)
        SURPLUS[i] = expm1(TILT[i]);
}

double watch(double *runs, double mean, double y, double mark)
{
    double highest = -INFINITY;
    for (int i = 0; i < TILTS; i++, runs += 4) {
        if (runs[0] <= 0.0)
            runs[0] = 0.0, runs[1] = mark, runs[2] = 0.0, runs[3] = 0.0;
        double kept = TILT[i] > 0.0 ? fmax(mean, EDGE) : fmin(mean, 1.0 - EDGE);
        runs[0] += TILT[i] * y - log1p(kept * SURPLUS[i]);
        runs[2] += 1.0;
        runs[3] += y - mean;
        highest = fmax(highest, runs[0]);
    }
    return highest;
}
