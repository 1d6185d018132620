/* Estimates, and what looks are worth: see learners/pooled.py and learners/policies.py. */
#include "kernel.h"

#include <math.h>
#include <string.h>

/* ---- the value of information ---- */

#define STEPS 128
#define END 8
#define LAST (STEPS * END - 1)

static double OVERTAKING[STEPS * END];

void prepare_estimates(void)
{
    for (int i = 0; i <= LAST; i++) {
        double a = (i + 0.5) / STEPS;
        double f = exp(-0.5 * a * a) / sqrt(2.0 * M_PI) - 0.5 * a * erfc(a * M_SQRT1_2);
        OVERTAKING[i] = (double)(float)f; /* of so few digits that no last bit matters */
    }
}

/* Sum over m contexts of |covariance| f(gap root / |covariance|), of the covariance that is left. */
static double worth(size_t m, const double *gap, const double *covariance, double left, double root)
{
    double total = 0.0;
    for (size_t i = 0; i < m; i++) {
        double reach = fabs(covariance[i]) * left + 1e-12, a = gap[i] / reach * root * STEPS;
        a = a > 0.0 ? a : 0.0; /* whatever came, it is a place in the table */
        total += OVERTAKING[a < LAST ? (int)a : LAST] * reach;
    }
    return total;
}

static double largest(size_t n, const double *a)
{
    double most = a[0];
    for (size_t i = 1; i < n; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

void value_of_information(const Outlook *on, double *centre, double *sd)
{
    size_t m = on->m;
    double best = largest(on->k, on->mean), most = largest(on->k, on->leads);
    for (size_t i = 0; i < on->k; i++) {
        double ahead = on->horizon[on->horizons > 1 ? i : 0];
        if (on->mean[i] < best)
            ahead *= most + (1.0 - most) / (1.0 + ahead * on->leads[i]);
        double looks = fmax(ahead / on->shorter, 1.0);
        double left = on->noise / (on->noise + on->under_way[i] * on->variance[i]);
        double variance = on->variance[i] * left;
        double root = sqrt(variance + on->noise / looks);
        double total = worth(m, on->gap + i * m, on->covariance + i * m, left, root);
        centre[i] = on->mean[i] + total / (double)m * (ahead / looks - 1.0) / root;
        sd[i] = on->spread * sqrt(variance);
    }
}

/* ---- mixed-effects regression ---- */

/* out (d) = x' a. Most features of a context are zero; the rows of the others are added four at a
 * time, for a quarter of the stores. */
static void times(size_t d, const double *x, const double *a, double *restrict out)
{
    const double *row[4];
    double by[4];
    size_t held = 0;
    memset(out, 0, d * sizeof(double));
    for (size_t i = 0; i < d; i++) {
        if (x[i] == 0.0)
            continue;
        by[held] = x[i], row[held++] = a + i * d;
        if (held < 4)
            continue;
        for (size_t j = 0; j < d; j++)
            out[j] += (by[0] * row[0][j] + by[1] * row[1][j])
                    + (by[2] * row[2][j] + by[3] * row[3][j]);
        held = 0;
    }
    for (size_t last = 0; last < held; last++)
        for (size_t j = 0; j < d; j++)
            out[j] += by[last] * row[last][j];
}

/* out (d) = a b, each with each; out may be a */
static void scaled(size_t d, const double *a, const double *b, double *out)
{
    for (size_t i = 0; i < d; i++)
        out[i] = a[i] * b[i];
}

static double dot(size_t d, const double *a, const double *b)
{
    double total = 0.0;
    for (size_t i = 0; i < d; i++)
        total += a[i] * b[i];
    return total;
}

/* a (d,d) += c b b' */
static void add_outer(size_t d, double *a, const double *b, double c)
{
    for (size_t i = 0; i < d; i++) {
        double each = c * b[i];
        if (each != 0.0)
            for (size_t j = 0; j < d; j++)
                a[i * d + j] += each * b[j];
    }
}

/* out (m) = c x' at, of at (d,m): a few columns at once stay in registers. */
#define COLUMNS 16
static void across(size_t d, size_t m, const double *x, const double *at, double c, double *out)
{
    size_t first = 0;
    for (; first + COLUMNS <= m; first += COLUMNS) {
        double total[COLUMNS] = {0.0};
        for (size_t i = 0; i < d; i++)
            for (size_t j = 0; j < COLUMNS; j++)
                total[j] += x[i] * at[i * m + first + j];
        for (size_t j = 0; j < COLUMNS; j++)
            out[first + j] = total[j] * c;
    }
    for (; first < m; first++) {
        double total = 0.0;
        for (size_t i = 0; i < d; i++)
            total += x[i] * at[i * m + first];
        out[first] = total * c;
    }
}

void joint(const Fit *fit, size_t m, const double *x, const double *at, double *mean,
           double *variance, double *covariance, double *room)
{
    size_t d = fit->d;
    double *look = room, *shared = room + d, *turned = room + 2 * d;
    for (size_t arm = 0; arm < fit->k; arm++) {
        const double *ai = fit->ai + arm * d * d;
        times(d, x, ai, look);
        double known = dot(d, fit->own + arm * d, x) + dot(d, look, fit->pull);
        scaled(d, look, fit->r_inv, turned);
        times(d, turned, fit->v, shared);
        scaled(d, shared, fit->r_inv, shared);
        times(d, shared, ai, turned);
        for (size_t i = 0; i < d; i++)
            look[i] += turned[i];
        double spread = dot(d, look, x);
        mean[arm] = fit->offset + known;
        variance[arm] = (spread > 1e-12 ? spread : 1e-12) * fit->noise;
        across(d, m, look, at, fit->noise, covariance + arm * m);
    }
}

void means(const Fit *fit, size_t n, const double *at, double *mean, double *room)
{
    size_t d = fit->d, k = fit->k;
    for (size_t arm = 0; arm < k; arm++) {
        times(d, fit->pull, fit->ai + arm * d * d, room);
        for (size_t i = 0; i < d; i++)
            room[i] += fit->own[arm * d + i];
        for (size_t row = 0; row < n; row++)
            mean[row * k + arm] = fit->offset + dot(d, at + row * d, room);
    }
}

void add(size_t d, double *lam, double *h, double *n, double *yy, const double *x, double y,
         double w)
{
    add_outer(d, lam, x, w);
    for (size_t i = 0; i < d; i++)
        h[i] += w * y * x[i];
    *n += w;
    *yy += w * y * y;
}

int learn(const Step *at, const double *x, double y, double w, double *room)
{
    size_t d = at->d;
    double *g = room, *vz = room + d;
    times(d, x, at->ai, g);
    double den = 1.0 + w * dot(d, g, x);
    if (!(den >= 1e-6))
        return 0;
    double step = w * (y - dot(d, at->own, x)) / den;
    add_outer(d, at->ai, g, -w / den);
    times(d, at->h, at->ai, at->own);
    double *z = g; /* in its place: g is not needed any more */
    for (size_t i = 0; i < d; i++)
        z[i] = at->r_inv[i] * g[i];
    for (size_t i = 0; i < d; i++)
        at->hm[i] += z[i] * step;
    times(d, z, at->v, vz);
    add_outer(d, at->v, vz, -w / (den + w * dot(d, z, vz)));
    times(d, at->hm, at->v, at->pull);
    for (size_t i = 0; i < d; i++)
        at->pull[i] *= at->r_inv[i];
    return 1;
}
