/* The law: see learners/law.py for what it is, learners/plain_law.py for why. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>

/* ---- the normal distribution ---- */

#define END 9
#define STEPS 32
#define NODES (2 * END * STEPS + 1)

static double PHI[NODES], DENSITY[NODES];

static double upper(double z)
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

void prepare_law(void)
{
    for (int i = 0; i < NODES; i++) {
        double z = (double)i / STEPS - END;
        PHI[i] = upper(-z);
        DENSITY[i] = exp(-0.5 * z * z) / sqrt(2.0 * M_PI);
    }
}

/* Phi(z) within 1e-13: five terms of Taylor's series from the nearest node. */
static double phi(double z)
{
    if (!(z < END - 0.1))
        return 1.0;
    z = z < -END ? -END : z;
    int node = (int)((z + END) * STEPS + 0.5);
    double c = (double)node / STEPS - END, c2 = c * c, t = z - c;
    double series = (c2 * (c2 - 6.0) + 3.0) * (1.0 / 120.0);
    series = c * (3.0 - c2) * (1.0 / 24.0) + t * series;
    series = (c2 - 1.0) * (1.0 / 6.0) + t * series;
    series = 1.0 + t * (t * series - 0.5 * c);
    return PHI[node] + DENSITY[node] * t * series;
}

/* Owen's T, for h >= 0 and a in [0, 1], by 16 points of Gauss and Legendre over [0, a]. */
static double owens_integral(double h, double a)
{
    static const double X[] = {0.0950125098376374, 0.2816035507792589, 0.4580167776572274,
                               0.6178762444026438, 0.7554044083550030, 0.8656312023878318,
                               0.9445750230732326, 0.9894009349916499};
    static const double WEIGHT[] = {0.1894506104550685, 0.1826034150449236, 0.1691565193950025,
                                    0.1495959888165767, 0.1246289712555339, 0.0951585116824928,
                                    0.0622535239386479, 0.0271524594117541};
    double total = 0.0;
    if (!(h < 40.0))
        return 0.0;
    for (int i = 0; i < 16; i++) {
        double x = 0.5 * a * (1.0 + (i % 2 ? X[i / 2] : -X[i / 2])), r = 1.0 + x * x;
        total += WEIGHT[i / 2] * exp(-0.5 * h * h * r) / r;
    }
    return total * a / (4.0 * M_PI);
}

/* Owen's T for all h and a, by its symmetries. Source: Owen (1956). */
static double owens_t(double h, double a)
{
    double size = fabs(a), t;
    h = fabs(h);
    if (size <= 1.0) {
        t = owens_integral(h, size);
    } else {
        double p = upper(h), q = upper(h * size);
        t = 0.5 * (p + q) - p * q - owens_integral(h * size, 1.0 / size);
    }
    return a < 0.0 ? -t : t;
}

/* ---- closed forms ---- */

#define POINT_SD 1e-200
#define NARROW 1e-8
#define TINY 1e-150

static void duel(const double *mean, const double *sd, double *law)
{
    double spread = sqrt(sd[0] * sd[0] + sd[1] * sd[1]);
    double z = (mean[0] - mean[1]) / (spread > 0.0 ? spread : POINT_SD);
    law[0] = upper(-z), law[1] = upper(z);
}

/* Whether no two of three arms are next to point masses: their law is written then. */
static int truel(const double *mean, const double *sd, double *law)
{
    double unit = fmax(fmax(sd[0], sd[1]), sd[2]);
    double second = fmax(fmin(sd[0], sd[1]), fmin(fmax(sd[0], sd[1]), sd[2]));
    if (!(second > NARROW * unit))
        return 0;
    double v0 = sd[0] / unit, v1 = sd[1] / unit, v2 = sd[2] / unit;
    v0 *= v0, v1 *= v1, v2 *= v2;
    double q = sqrt(v0 * v1 + v0 * v2 + v1 * v2);
    double d01 = mean[0] / unit - mean[1] / unit, d02 = mean[0] / unit - mean[2] / unit;
    double d12 = mean[1] / unit - mean[2] / unit;
    d02 = d02 != 0.0 ? d02 : d01 != 0.0 ? TINY : 2.0 * TINY;
    d01 = d01 != 0.0 ? d01 : TINY;
    d12 = d12 != 0.0 ? d12 : TINY;
    double h01 = d01 / sqrt(v0 + v1), h02 = d02 / sqrt(v0 + v2), h12 = d12 / sqrt(v1 + v2);
    double t01 = owens_t(h01, (v0 * d12 + v1 * d02) / (d01 * q));
    double t02 = owens_t(h02, (v2 * d01 - v0 * d12) / (d02 * q));
    double t12 = -owens_t(h12, (v1 * d02 + v2 * d01) / (d12 * q));
    double p01 = 0.5 * upper(-h01), p02 = 0.5 * upper(-h02), p12 = 0.5 * upper(-h12);
    /* Signs are compared, not products: those of tiny leads would vanish. */
    law[0] = p01 + p02 - t01 - t02 - ((d01 < 0.0) != (d02 < 0.0) ? 0.5 : 0.0);
    law[1] = 0.5 - p01 + p12 + t01 - t12 - ((d01 < 0.0) == (d12 < 0.0) ? 0.5 : 0.0);
    law[2] = 1.0 - p02 - p12 + t02 + t12 - ((d02 < 0.0) != (d12 < 0.0) ? 0.5 : 0.0);
    for (int i = 0; i < 3; i++)
        law[i] = fmax(law[i], 0.0);
    return 1;
}

/* Whether so many arms have a closed form, which is written then. */
static int closed(size_t arms, const double *mean, const double *sd, double *law)
{
    if (arms == 1)
        law[0] = 1.0;
    if (arms == 2)
        duel(mean, sd, law);
    return arms < 3 || (arms == 3 && truel(mean, sd, law));
}

/* ---- knots ---- */

#define KNOTS 11
#define CROWD 13
#define SPACING 0.15

static const double KNOT[KNOTS] = {-1.31, -0.79, -0.34, -0.11, 0.28, 0.6,
                                   0.91,  1.23,  1.62,  2.09,  2.69};

typedef struct {
    double x, sd;
} Knot;

static int before(Knot a, Knot b)
{
    return a.x < b.x || (a.x == b.x && a.sd < b.sd);
}

/* Merges runs of KNOTS sorted knots from a to b and back; where all are sorted: a or b. */
static Knot *merged(Knot *a, Knot *b, size_t n)
{
    for (size_t run = KNOTS; run < n; run *= 2) {
        for (size_t from = 0; from < n; from += 2 * run) {
            size_t middle = from + run < n ? from + run : n;
            size_t end = middle + run < n ? middle + run : n, i = from, j = middle;
            for (size_t to = from; to < end; to++)
                b[to] = i < middle && (j == end || !before(a[j], a[i])) ? a[i++] : a[j++];
        }
        Knot *other = a;
        a = b, b = other;
    }
    return a;
}

/* Keeps every step-th knot, counted from the highest. What is below zero counts as zero. */
static size_t every(Knot *knots, size_t n, size_t step)
{
    size_t kept = 0;
    for (size_t i = (n - 1) % step; i < n; i += step)
        knots[kept++].x = fmax(knots[i].x, 0.0);
    return kept;
}

/* Keeps the knots from zero up that do not crowd their neighbours. */
static size_t thinned(Knot *knots, size_t n)
{
    size_t i = 0, kept = 0;
    double mark = 0.0, last = -1.0;
    while (i + 1 < n && knots[i].x < 0.0)
        i++;
    for (Knot previous = knots[i]; i < n; i++) {
        Knot at = knots[i];
        mark += fmin((at.x - previous.x) / (SPACING * fmin(at.sd, previous.sd)), 1.0);
        if (floor(mark) > last)
            knots[kept++] = at;
        last = floor(mark);
        previous = at;
    }
    return kept;
}

/* ---- the law ---- */

#define COMPANY 5
#define ALIKE 5.0
#define NO_GROWTH 1e-15

/* What one law of n arms is worked out in. */
typedef struct {
    double *mean, *sd, *law, *was, *share;
    Knot *knots, *spare;
    size_t *contends;
} Room;

/* room->law of k contenders. Their means are measured from where the surest one's reach ends. */
static void integrate(size_t k, size_t step, Room *room)
{
    double *mean = room->mean, *sd = room->sd, *was = room->was, *share = room->share;
    for (size_t i = 0; i < k; i++) {
        sd[i] += POINT_SD;
        for (size_t j = 0; j < KNOTS; j++)
            room->knots[i * KNOTS + j] = (Knot){sd[i] * KNOT[j] + mean[i], sd[i]};
    }
    Knot *knots = merged(room->knots, room->spare, k * KNOTS);
    size_t n = k < CROWD ? every(knots, k * KNOTS, step) : thinned(knots, k * KNOTS);
    double below = 0.0; /* the distribution of the largest, at the knot before */
    for (size_t i = 0; i < k; i++)
        was[i] = sqrt(phi(-mean[i] / sd[i])), room->law[i] = 0.0;
    for (size_t j = 1; j < n; j++) {
        double x = j + 1 < n ? knots[j].x : INFINITY, largest = 1.0, shares = NO_GROWTH;
        for (size_t i = 0; i < k; i++) {
            double f = phi((x - mean[i]) / sd[i]), root = sqrt(f);
            largest *= f;
            share[i] = (root - was[i]) / (root + was[i]);
            shares += share[i];
            was[i] = root;
        }
        largest = x > 0.0 ? largest : 0.0;
        double growth = (largest - below) / shares;
        below = largest;
        for (size_t i = 0; i < k; i++)
            room->law[i] += share[i] * growth;
    }
    for (size_t i = 0; i < k; i++)
        room->law[i] = fmax(room->law[i], 0.0);
}

/* The arms that may well beat the surest, into room; low: where its reach ends. How many. */
static size_t contenders(size_t n, const double *mean, const double *sd, Room *room, double *low)
{
    int bits = 0;
    for (size_t left = n; left; left >>= 1)
        bits++;
    double reach = 3.22 + 0.16 * bits;
    size_t surest = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        if (mean[i] - reach * sd[i] > mean[surest] - reach * sd[surest])
            surest = i;
    *low = mean[surest] - reach * sd[surest];
    for (size_t i = 0; i < n; i++) {
        double behind = mean[surest] - mean[i], wide = sd[i] * sd[i] + sd[surest] * sd[surest];
        if (behind <= 0.0 || behind * behind <= reach * reach * wide) {
            room->mean[k] = mean[i], room->sd[k] = sd[i];
            room->contends[k++] = i;
        }
    }
    return k;
}

static void one_law(size_t n, const double *mean, const double *sd, double *law, Room *room)
{
    double low, most = 0.0, least = INFINITY;
    if (closed(n, mean, sd, law))
        return;
    size_t k = contenders(n, mean, sd, room, &low);
    if (!closed(k, room->mean, room->sd, room->law)) {
        for (size_t i = 0; i < k; i++) {
            room->mean[i] -= low;
            most = fmax(most, room->sd[i]), least = fmin(least, room->sd[i]);
        }
        integrate(k, k >= COMPANY && most <= ALIKE * least ? 2 : 1, room);
    }
    for (size_t i = 0; i < n; i++)
        law[i] = 0.0;
    for (size_t i = 0; i < k; i++)
        law[room->contends[i]] = room->law[i];
}

int laws(size_t n, size_t arms, const double *mean, const double *sd, double floor, double *law)
{
    size_t numbers = 5 * arms, knots = 2 * KNOTS * arms;
    char *bytes = malloc(numbers * sizeof(double) + knots * sizeof(Knot) + arms * sizeof(size_t));
    if (!bytes)
        return 0;
    double *first = (double *)bytes;
    Knot *knot = (Knot *)(first + numbers);
    Room room = {first, first + arms, first + 2 * arms, first + 3 * arms, first + 4 * arms,
                 knot, knot + KNOTS * arms, (size_t *)(knot + knots)};
    for (size_t row = 0; row < n * arms; row += arms)
        one_law(arms, mean + row, sd + row, law + row, &room);
    free(bytes);
    for (size_t i = 0; i < n * arms; i++)
        law[i] = law[i] * (1.0 - floor) + floor / (double)arms;
    return 1;
}
