/* The innermost loops of a decision and of an outcome: law.c, estimates.c, cells.c and drift.c,
 * which know nothing of Python; module.c makes the Python module learners._kernel of them.
 * learners/plain.py and plain_law.py say in numpy what each computes, and stand in where this could
 * not be compiled; tests hold the two together.
 *
 * Every sum runs in one fixed order and nothing is contracted, so the bits are the same at every
 * optimisation level and vector width; only exp, erfc and their like are the C library's. Arrays are
 * of doubles, row by row; (k,d) is k rows of d. Functions that return int return 0 when out of
 * memory.
 */
#include <stddef.h>

/* Once, before all else. */
void prepare_law(void);
void prepare_estimates(void);
void prepare_drift(void);

/* The probability that each of `arms` independent normal scores is the largest, mixed with the
 * uniform law by `floor`; n laws. */
int laws(size_t n, size_t arms, const double *mean, const double *sd, double floor, double *law);

/* Centre and sd of the scores of k arms over m contexts. horizon: one number, or (k). gap and
 * covariance: (k,m). leads and under_way: (k). */
typedef struct {
    size_t k, m, horizons;
    const double *mean, *variance, *horizon, *gap, *leads, *covariance, *under_way;
    double noise, spread, shorter;
} Outlook;
void value_of_information(const Outlook *on, double *centre, double *sd);

/* The mixed-effects regression of k arms on d features: ai (k,d,d), own (k,d), pull (d); and what
 * only joint needs, v (d,d) and r_inv (d). */
typedef struct {
    size_t k, d;
    const double *ai, *own, *pull, *v, *r_inv;
    double offset, noise;
} Fit;
/* Mean and variance (k) of the arms at x (d), and covariance (k,m) with what they are at m contexts
 * that stand in columns, at (d,m). room: 3 d. */
void joint(const Fit *fit, size_t m, const double *x, const double *at, double *mean,
           double *variance, double *covariance, double *room);
/* Mean (n,k) of the arms at each of n contexts (n,d). room: d. */
void means(const Fit *fit, size_t n, const double *at, double *mean, double *room);

/* lam (d,d) += w x x', h (d) += w y x, n += w, yy += w y^2 */
void add(size_t d, double *lam, double *h, double *n, double *yy, const double *x, double y,
         double w);

/* One arm's ai (d,d), own (d) and sums h (d), and what all share: v (d,d), hm (d), pull (d). */
typedef struct {
    size_t d;
    double *ai, *v, *hm, *own, *pull;
    const double *h, *r_inv;
} Step;
/* Moves them by an outcome, whose w and y are in h already. room: 2 d. Whether it did: not where
 * it would divide by next to nothing. */
int learn(const Step *at, const double *x, double y, double w, double *room);

/* Mean and variance (cells) of what an arm is expected to cost in each cell: see learners/cells.py.
 * n, s (cells), sums (4): what was told, by cell and in all. */
void expect(size_t cells, const double *n, const double *s, const double *sums, double prior,
            double shift, double *mean, double *variance);

/* The runs of an arm's drift detector, see learners/drift.py: (TILTS,4), level, mark that it began
 * at, outcomes, and sum of these above the prediction. Takes in an outcome; the highest level. */
#define TILTS 6
double watch(double *runs, double mean, double y, double mark);
